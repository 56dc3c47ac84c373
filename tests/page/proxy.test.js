// A site behind `concierge proxy`: visitors without JavaScript see what was decided, others see it once, and whoever
// comes while the server is gone sees the site.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { after, before, test } from 'node:test'

import { calls, visitor } from '../clients/browser/support/browser.js'
import { SERVER, WRITE_KEY, counted, decisions, define, environment, events, eventually } from
  '../clients/browser/support/concierge.js'
import { browser, site } from '../clients/browser/support/stage.js'
import { tag } from './support/guide.js'
import { CHANGED, CHANGES, seen, showPage } from './support/stage-page.js'
import { showing } from './support/showing.js'

const PATH = '/proxied'
const NOBODY = 'http://127.0.0.1:9'
const SLOT = '<section data-concierge="proxied"><h2 data-field="title">Default</h2></section>'

const started = []
let proxy

// Starts a proxy before the site, and answers with its address.
async function start(...options) {
  const address = ['--upstream', site.url, '--write-key', WRITE_KEY, '--listen', '127.0.0.1:0']
  const child = spawn(environment('CONCIERGE_BINARY'), ['proxy', ...address, ...options], { stdio: ['ignore', 'pipe', 'inherit'] })
  started.push(child)
  for await (const text of child.stdout) {
    const [, url] = /listening on (\S+)/.exec(text) ?? []
    if (url) return url
  }
  assert.fail('the proxy ended before it listened')
}

before(async () => {
  const match = { context: 'page.path', op: 'eq', value: PATH }
  await define('placements', 'proxied', { state: 'live', match })
  await define('experiences', 'proxied_on', {
    state: 'live', placement: 'proxied', variants: [{ key: 'on', content: { title: 'Chosen', changes: CHANGES } }],
  })
  showPage('plain', PATH, tag() + SLOT)
  // However slow the machine is, it is waited for what is decided.
  proxy = await start('--server', SERVER, '--timeout', '10000')
})

after(async () => {
  for (const child of started) {
    const ended = new Promise((resolve) => child.once('exit', resolve))
    child.kill('SIGTERM')
    assert.equal(await ended, 0)
  }
})

// The same of a page without JavaScript, where what is inserted stands by itself.
function still() {
  const of = (selector) => document.querySelector(selector)
  return {
    title: of('#title').innerText,
    content: of('#content').innerText,
    link: of('#link').getAttribute('href'),
    classes: ['warm', 'cold'].filter((name) => of('#box').classList.contains(name)),
    background: getComputedStyle(of('#box')).backgroundColor,
    picture: [of('#picture').getAttribute('src'), of('#picture').alt],
    list: [...of('#list').children].map((item) => item.id),
    gone: getComputedStyle(of('#gone')).display,
    slot: of('h2').innerText,
  }
}

const looks = async (page) => ({ ...(await page.evaluate(seen)), slot: await page.textContent('h2') })
const chosen = { ...CHANGED, slot: 'Chosen' }

test('without JavaScript a page shows what was decided, but for what is moved or found by a fallback', async () => {
  const guest = await visitor(browser, [proxy, site.url], { javaScriptEnabled: false })
  const page = await guest.open(proxy + PATH)
  const { added: _, ...others } = chosen
  assert.deepEqual(await page.evaluate(still), { ...others, list: ['first', 'second'], link: '/as-it-was' })
  assert.equal(await page.textContent('#tail + noscript > .added'), 'Added')
  const [cookie] = await guest.context.cookies()
  assert.equal(cookie.name, 'ajs_anonymous_id')
  await page.reload()
  assert.deepEqual(await guest.context.cookies().then(([{ value }]) => value), cookie.value)
  await guest.leave()
})

test('with JavaScript nothing is asked a second time, and what was shown is told', async () => {
  const guest = await visitor(browser, [proxy, site.url, SERVER])
  const page = await guest.open(proxy + PATH)
  await page.waitForFunction(() => window.concierge && !concierge.q)
  await eventually('all changes', async () => (await looks(page)).link === '/changed')
  assert.deepEqual(await looks(page), chosen)
  const id = await page.evaluate(() => localStorage.getItem('ajs_anonymous_id'))
  const [cookie] = await guest.context.cookies()
  assert.equal(cookie.value, id)
  await eventually('the outcome', async () => counted(await events('anonymous_id', id))['Experience Applied'])
  assert.deepEqual(calls(guest, 'POST', '/v1/decide'), [])
  assert.equal((await decisions('anonymous_id', id)).filter((one) => one.placement === 'proxied').length, 1)
  await guest.leave()
  assert.deepEqual(guest.complaints, [])
})

test('while the server is gone the page is as it was, and the client asks by itself', async () => {
  const alone = await start('--server', NOBODY)
  const still = await visitor(browser, [alone, site.url], { javaScriptEnabled: false })
  const original = await still.open(site.url + PATH)
  const page = await still.open(alone + PATH)
  assert.equal(await page.content(), await original.content())
  assert.deepEqual(await still.context.cookies(), [])
  await still.leave()

  const guest = await visitor(browser, [alone, site.url, SERVER])
  const scripted = await guest.open(alone + PATH)
  await showing(scripted, alone + PATH, async () => (await looks(scripted)).slot === 'Chosen')
  await guest.leave()
})

test('whoever refuses is left alone by the proxy, too', async () => {
  const guest = await visitor(browser, [proxy, site.url, SERVER])
  const page = await guest.open(proxy + PATH)
  await page.waitForFunction(() => window.concierge && !concierge.q)
  await page.evaluate(() => concierge('consent', { analytics: false, personalization: false }))
  await page.goto(proxy + PATH)
  assert.equal((await looks(page)).slot, 'Default')
  assert.deepEqual((await guest.context.cookies()).map(({ name }) => name), ['concierge_consent'])
  await guest.leave()
})
