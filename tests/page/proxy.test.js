// A site behind `concierge proxy`: visitors without JavaScript see what was decided, others see it once, and whoever
// comes while the server is gone sees the site.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'

import { calls, visitor } from '../clients/browser/support/browser.js'
import { SERVER, counted, decisions, define, events, eventually } from '../clients/browser/support/concierge.js'
import { browser, site } from '../clients/browser/support/stage.js'
import { tag } from './support/guide.js'
import { startProxy, stopProxies } from './support/proxy.js'
import { CHANGED, CHANGES, seen, showPage } from './support/stage-page.js'
import { showing } from './support/showing.js'

const PATH = '/proxied'
const NOBODY = 'http://127.0.0.1:9'
const SLOT = '<section data-concierge="proxied"><h2 data-field="title">Default</h2></section>'

let proxy

before(async () => {
  const match = { context: 'page.path', op: 'eq', value: PATH }
  await define('placements', 'proxied', { state: 'live', match })
  await define('experiences', 'proxied_on', {
    state: 'live', placement: 'proxied', variants: [{ key: 'on', content: { title: 'Chosen', changes: CHANGES } }],
  })
  showPage('plain', PATH, tag() + SLOT)
  // However slow the machine is, it is waited for what is decided.
  proxy = await startProxy(site, '--server', SERVER, '--timeout', '10000')
})

after(stopProxies)

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

// The text as it is seen: an element that is changed before all of it has come holds its own text as well, unseen.
const looks = async (page) => ({ ...(await page.evaluate(seen)), slot: await page.innerText('h2') })
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
  const alone = await startProxy(site, '--server', NOBODY)
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

test('without JavaScript a component is a part of the page, and what waits for something to be done is not there', async () => {
  const path = '/proxied-shapes'
  const match = { context: 'page.path', op: 'eq', value: path }
  const offer = { kind: 'popup', title: 'Before you go', coupon: 'STAY10', button: { text: 'To the cart', link: '/cart' } }
  const survey = { questions: [{ ask: 'For whom?', trait: 'shops_for', answers: [{ text: 'Me' }] }] }
  const shapes = {
    offer: { component: offer }, bar: { component: { kind: 'bar', text: 'Free delivery' } },
    asks: { component: { kind: 'slide_in', title: 'Two questions', survey } },
    row: { component: { kind: 'embedded', title: 'For you', items: [{ title: 'Lamp', link: '/lamp' }] } },
  }
  for (const [name, content] of Object.entries(shapes)) {
    await define('placements', `proxied_${name}`, { state: 'live', match })
    await define('experiences', `proxied_${name}_on`, {
      state: 'live', placement: `proxied_${name}`, variants: [{ key: 'on', content }],
    })
  }
  await define('placements', 'proxied_waits', { state: 'live', match })
  await define('experiences', 'proxied_waits_on', {
    state: 'live', placement: 'proxied_waits', trigger: { on: 'scroll', percent: 90 },
    variants: [{ key: 'on', content: { changes: [{ kind: 'text', selector: '#below', value: 'Seen to the end' }] } }],
  })
  site.show(path, `<!doctype html><html lang="en"><head><title>Shop</title>${tag()}</head><body>
    <main style="min-height:3000px"><h1>Shop</h1><section data-concierge="proxied_row"><h2>Popular</h2></section>
    <p id="below">Below</p></main></body></html>`)
  const still = await visitor(browser, [proxy, site.url], { javaScriptEnabled: false })
  const page = await still.open(proxy + path)
  const look = () => [...document.querySelectorAll('[data-concierge-component]')].map((one) => {
    const { display, position } = getComputedStyle(one)
    const buttons = [...one.querySelectorAll('[data-do]')].filter((button) => button.checkVisibility())
    return { kind: one.dataset.conciergeComponent, display, position, buttons: buttons.length, text: one.innerText.trim() }
  })
  const [row, ...others] = await page.evaluate(look)
  assert.deepEqual(row, { kind: 'embedded', display: 'block', position: 'static', buttons: 0, text: 'For you\n\nLamp' })
  const found = Object.fromEntries(others.map(({ kind, ...one }) => [kind, one]))
  assert.deepEqual(found.popup, {
    display: 'block', position: 'static', buttons: 0, text: 'Before you go\n\nSTAY10\n\nTo the cart',
  })
  assert.deepEqual([found.bar.position, found.bar.text], ['static', 'Free delivery'])
  assert.equal(found.slide_in.display, 'none')
  assert.equal(await page.textContent('#below'), 'Below')
  await still.leave()

  const guest = await visitor(browser, [proxy, site.url, SERVER])
  const scripted = await guest.open(proxy + path)
  await eventually('the pop-up', () => scripted.evaluate(() => !!document.querySelector('dialog[open]')))
  assert.equal(await scripted.textContent('#below'), 'Below')
  const kinds = (await scripted.evaluate(look)).filter(({ display }) => display !== 'none').map(({ kind }) => kind)
  for (const kind of ['popup', 'bar', 'slide_in', 'embedded']) assert.ok(kinds.includes(kind), kind)
  await scripted.keyboard.press('Escape')
  await scripted.evaluate(() => scrollTo(0, 3_000))
  await eventually('what waited', async () => (await scripted.textContent('#below')) === 'Seen to the end')
  await guest.leave()
  assert.deepEqual(guest.complaints, [])
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
