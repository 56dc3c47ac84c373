// Nothing is kept and nothing is sent before consent where it is required, and after a refusal nothing either.

import assert from 'node:assert/strict'
import { before, test } from 'node:test'

import { visitor } from '../clients/browser/support/browser.js'
import { SERVER, counted, define, events, eventually, person } from '../clients/browser/support/concierge.js'
import { browser, site } from '../clients/browser/support/stage.js'
import { tag } from './support/guide.js'
import { showing } from './support/showing.js'

const PATH = '/consent'
const REQUIRED = "<script>conciergeOptions = { consent: 'required' }</script>"
const HERO = '<h1 data-concierge="consent_hero"><span data-field="title">Default</span></h1>'

before(async () => {
  const matches = { context: 'page.path', op: 'eq', value: PATH }
  await define('placements', 'consent_hero', { state: 'live', match: matches })
  await define('experiences', 'consent_hero_on', {
    state: 'live', placement: 'consent_hero', variants: [{ key: 'on', content: { title: 'Chosen' } }],
  })
})

async function open(head = REQUIRED) {
  const guest = await visitor(browser, [site.url, SERVER])
  const url = site.show(PATH, `<!doctype html><link rel="icon" href="data:,">${head}${tag()}<body>${HERO}</body>`)
  const page = await guest.open(url)
  await page.waitForFunction(() => window.concierge && !concierge.q)
  const posts = () => guest.asked.filter((call) => call.method() === 'POST')
  const kept = () => page.evaluate(() => [document.cookie.replace(/=[^;]*/g, ''), ...Object.keys(localStorage)])
  const title = () => page.textContent('h1')
  const chosen = () => showing(page, url, async () => (await title()) === 'Chosen')
  const answer = (purposes) => page.evaluate((purposes) => concierge('consent', purposes), purposes)
  return { guest, page, posts, kept, title, chosen, answer }
}

const known = (page) => page.evaluate(() => localStorage.getItem('ajs_anonymous_id'))

test('before the answer nothing is kept or sent, and after a grant everything is', async () => {
  const { guest, page, posts, kept, title, chosen, answer } = await open()
  await page.evaluate(() => concierge('track', 'Product Viewed', { product_id: 'a1' }))
  await page.waitForTimeout(1500)
  assert.deepEqual(posts(), [])
  assert.deepEqual(await kept(), [''])
  assert.equal(await title(), 'Default')

  await answer({ analytics: true, personalization: true })
  const id = await known(page)
  const found = await eventually('what was done before', async () => {
    const counts = counted(await events('anonymous_id', id))
    return counts['Product Viewed'] && counts
  })
  assert.equal(found['Page Viewed'], 1)
  await chosen()
  await guest.leave()
  assert.deepEqual(guest.complaints, [])
})

test('after a refusal nothing is kept but the refusal, and nothing is sent', async () => {
  const { guest, page, posts, kept, title, answer } = await open()
  await answer({ analytics: false, personalization: false })
  await page.evaluate(() => concierge('track', 'Product Viewed'))
  await page.waitForTimeout(1500)
  assert.deepEqual(posts(), [])
  assert.deepEqual(await kept(), ['concierge_consent', 'concierge_consent'])
  assert.equal(await title(), 'Default')
  await page.reload()
  await page.waitForTimeout(1500)
  assert.deepEqual(posts(), [])
  await guest.leave()
})

test('who is refused personalization alone is counted and shown the default', async () => {
  const { guest, page, title, answer } = await open()
  await answer({ analytics: true, personalization: false })
  await page.evaluate(() => concierge('track', 'Product Viewed'))
  const id = await known(page)
  await eventually('the event', async () => counted(await events('anonymous_id', id))['Product Viewed'])
  assert.equal(await title(), 'Default')
  await guest.leave()
})

test('a refusal of somebody who is known reaches the server, and takes back what is shown', async () => {
  const { guest, page, kept, title, chosen, answer } = await open('')
  await chosen()
  const id = await known(page)
  await eventually('the page view', async () => (await events('anonymous_id', id)).length)
  await answer({ analytics: false, personalization: false })
  await eventually('the default', async () => (await title()) === 'Default')
  assert.deepEqual(await kept(), ['concierge_consent', 'concierge_consent'])
  await eventually('the refusal', async () => {
    const { consents } = await person('anonymous_id', id)
    return consents.personalization?.granted === false
  })
  await guest.leave()
})

test('an answer that says nothing is none', async () => {
  const { guest, page, posts, kept, answer } = await open()
  await answer({})
  await answer({ analytics: 'denied', personalization: 'denied' })
  await page.waitForTimeout(500)
  assert.equal(await page.evaluate(() => concierge('consents')), undefined)
  assert.deepEqual([posts(), await kept()], [[], ['']])
  await guest.leave()
})

test('a refusal in one tab holds in the other', async () => {
  const { guest, page, kept, title, chosen } = await open('')
  await chosen()
  const other = await guest.open(page.url())
  await other.waitForFunction(() => window.concierge && !concierge.q)
  await other.evaluate(() => concierge('consent', { analytics: false, personalization: false }))
  await eventually('the default', async () => (await title()) === 'Default')
  const before = guest.asked.length
  await page.evaluate(() => concierge('track', 'Product Viewed'))
  await page.waitForTimeout(1500)
  assert.equal(guest.asked.length, before)
  assert.deepEqual(await kept(), ['concierge_consent', 'concierge_consent'])
  await guest.leave()
})
