// Visitors who answer in the dialogue of somebody else are not asked twice, and what they answered there counts; what
// they answer in Concierge's is told to Google's tags.

import assert from 'node:assert/strict'
import { test } from 'node:test'

import { buildSync } from 'esbuild'

import { SERVER, WRITE_KEY, counted, events, eventually, person } from '../clients/browser/support/concierge.js'
import { site } from '../clients/browser/support/stage.js'
import { client, module, open } from './support/consent-page.js'

const script = (text) => `<script>${text}</script>`

// A dialogue of the IAB's framework, as "CMP API v2" describes one: a listener is called as it registers, and at each
// change; `act` is what its own buttons would do.
const CMP = script(`
  var listeners = {}, count = 0, data = { gdprApplies: true, eventStatus: 'cmpuishown', purpose: { consents: {} }, vendor: { consents: {} } }
  function __tcfapi(command, version, callback, parameter) {
    if (version !== 2) return callback(null, false)
    if (command === 'addEventListener') {
      listeners[++count] = callback
      return callback(Object.assign({ listenerId: count }, data), true)
    }
    if (command === 'removeEventListener') return callback(delete listeners[parameter])
    callback(null, false)
  }
  function act(change) {
    Object.assign(data, change)
    for (const id in listeners) listeners[id](Object.assign({ listenerId: +id }, data), true)
  }`)
const consents = (...numbers) => Object.fromEntries(numbers.map((number) => [number, true]))
const complete = (purposes, vendors = []) => ({
  eventStatus: 'useractioncomplete',
  purpose: { consents: consents(...purposes) },
  vendor: { consents: consents(...vendors) },
})
const act = (page, change) => page.evaluate((change) => window.act(change), change)

test('what was answered in a dialogue of the IAB counts, and nothing before', async () => {
  const { guest, page, posts, kept, answer, known, loaded } = await open('/tcf/answer', {
    head: CMP + client() + module('tcf'),
  })
  await loaded()
  await page.waitForFunction(() => window.count === 1)
  // While its dialogue is shown it tells everything as refused.
  await act(page, { purpose: { consents: { 1: false } } })
  await page.waitForTimeout(1500)
  assert.deepEqual([posts(), await kept(), await answer()], [[], [''], undefined])

  await act(page, complete([1, 5, 6, 8]))
  const said = { analytics: true, personalization: true, advertising: false }
  assert.deepEqual(await answer(), said)
  const id = await known()
  await eventually('the answer', async () => {
    const found = (await person('anonymous_id', id))?.consents ?? {}
    return Object.entries(said).every(([purpose, granted]) => found[purpose]?.granted === granted)
  })
  // Whoever takes back what the others rest on refuses them all.
  await act(page, complete([2, 3, 4, 5, 6, 8]))
  assert.deepEqual(await answer(), { analytics: false, personalization: false, advertising: false })
  assert.deepEqual(await kept(), ['concierge_consent', 'concierge_consent'])
  await guest.leave()
  assert.deepEqual(guest.complaints, [])
})

test('what was answered on another page is taken in once', async () => {
  const loadedAlready = CMP + script(`act(${JSON.stringify({ ...complete([1, 8]), eventStatus: 'tcloaded' })})`)
  const { guest, page, known, loaded } = await open('/tcf/loaded', { head: loadedAlready + client() + module('tcf') })
  await loaded()
  const id = await eventually('the answer', known)
  await page.reload()
  await loaded()
  await page.waitForFunction(() => window.count === 1)
  const found = await eventually('two pages', async () => {
    const counts = counted(await events('anonymous_id', id))
    return counts['Page Viewed'] === 2 && counts
  })
  assert.equal(found['Consent Updated'], 1)
  await guest.leave()
})

test('a dialogue that comes after the module is found', async () => {
  const { guest, page, answer, loaded } = await open('/tcf/late', {
    head: module('tcf').replace('async ', '') + CMP + client(),
  })
  await loaded()
  await page.waitForFunction(() => window.count === 1)
  await act(page, complete([1, 2, 3, 4, 5, 6, 8]))
  assert.deepEqual(await answer(), { analytics: true, personalization: true, advertising: true })
  await guest.leave()
})

test('which purposes and whose consent are asked for is up to the site', async () => {
  const options = { purposes: { analytics: [1, 9], research: [] }, vendor: 42, elsewhere: { analytics: true } }
  const head = script(`conciergeTcf = ${JSON.stringify(options)}`) + CMP + client() + module('tcf')
  const { guest, page, answer, loaded } = await open('/tcf/own', { head })
  await loaded()
  await page.waitForFunction(() => window.count === 1)
  await act(page, complete([1, 9], [41]))
  assert.deepEqual(await answer(), { analytics: false, research: false })
  await act(page, complete([1, 9], [42]))
  // A purpose that rests on nothing was agreed to by nobody.
  assert.deepEqual(await answer(), { analytics: true, research: false })
  await guest.leave()
})

test('where the GDPR does not apply, the site says what holds', async () => {
  for (const elsewhere of [undefined, { analytics: true, advertising: false }]) {
    const path = `/tcf/elsewhere/${elsewhere ? 'said' : 'unsaid'}`
    const head = script(`conciergeTcf = ${JSON.stringify({ elsewhere })}`) + CMP + client() + module('tcf')
    const { guest, page, answer, loaded } = await open(path, { head })
    await loaded()
    await page.waitForFunction(() => window.count === 1)
    await act(page, { gdprApplies: false, eventStatus: undefined, purpose: undefined, vendor: undefined })
    assert.deepEqual(await answer(), elsewhere)
    await guest.leave()
    assert.deepEqual(guest.complaints, [])
  }
})

// As Google's documentation has pages begin.
const GTAG = `window.dataLayer = window.dataLayer || []
  function gtag() { dataLayer.push(arguments) }`
const TYPES = ['ad_storage', 'ad_user_data', 'ad_personalization', 'analytics_storage', 'personalization_storage']
const every = (word) => Object.fromEntries(TYPES.map((type) => [type, word]))
const denied = script(`${GTAG}
  gtag('consent', 'default', ${JSON.stringify({ ...every('denied'), wait_for_update: 500 })})`)
const google = (options) => script(`conciergeGoogle = ${JSON.stringify(options)}`)

// Every update in the page's data layer, and whether each was an `arguments` object, as Google's tags ask for.
const updates = (page) => page.evaluate(() => dataLayer
  .filter((one) => one[0] === 'consent' && one[1] === 'update')
  .map((one) => [Object.prototype.toString.call(one), one[2]]))

test("Google's tags are told what was answered, here and on the next page", async () => {
  const head = denied + client() + module('google-consent-mode')
  const { guest, page, loaded } = await open('/google/tell', { head })
  await loaded()
  await page.waitForTimeout(500)
  assert.deepEqual(await updates(page), [])
  const answer = (said) => page.evaluate((said) => concierge('consent', said), said)
  await answer({ analytics: true, personalization: false, marketing: true })
  const first = { analytics_storage: 'granted', personalization_storage: 'denied' }
  await eventually('the update', async () => (await updates(page)).length)
  assert.deepEqual(await updates(page), [['[object Arguments]', first]])
  // The same again is nothing new to them.
  await answer({ analytics: true })
  await answer({ advertising: true })
  const all = { ad_storage: 'granted', ad_user_data: 'granted', ad_personalization: 'granted', ...first }
  assert.deepEqual((await updates(page)).map(([, types]) => types), [first, all])
  await page.reload()
  await eventually('the update', async () => (await updates(page)).length)
  assert.deepEqual(await updates(page), [['[object Arguments]', all]])
  await guest.leave()
  assert.deepEqual(guest.complaints, [])
})

test("what a dialogue says to Google's tags counts, and a default is nobody's answer", async () => {
  const head = denied + google({ source: 'google' }) + client() + module('google-consent-mode')
  const { guest, page, posts, kept, answer, loaded } = await open('/google/hear', { head })
  await loaded()
  await page.waitForTimeout(1500)
  assert.deepEqual([posts(), await kept(), await answer()], [[], [''], undefined])
  const update = (types) => page.evaluate((types) => gtag('consent', 'update', types), types)
  await update({ analytics_storage: 'granted', ad_storage: 'granted' })
  // The rest of what advertising rests on is as it was from the start.
  assert.deepEqual(await answer(), { analytics: true, advertising: false })
  await update({ ad_user_data: 'granted', ad_personalization: 'granted', personalization_storage: 'perhaps' })
  assert.deepEqual(await answer(), { analytics: true, advertising: true })
  await page.evaluate(() => dataLayer.push({ event: 'other' }, null, 'text', ['consent', 'update']))
  await update({ personalization_storage: 'granted' })
  assert.deepEqual(await answer(), { analytics: true, advertising: true, personalization: true })
  // The page's own commands are all there, in their order.
  assert.equal(await page.evaluate(() => dataLayer.length), 8)
  await guest.leave()
  assert.deepEqual(guest.complaints, [])
})

test('what was said to a data layer of another name before the module came is heard', async () => {
  const before = script(`layer = []
    function gtag() { layer.push(arguments) }
    gtag('consent', 'default', { ad_storage: 'granted', ad_user_data: 'granted', region: ['US'] })
    gtag('consent', 'default', { ad_storage: 'denied' })
    gtag('consent', 'update', { analytics_storage: 'denied', ad_user_data: 'granted', ad_personalization: 'granted' })`)
  const head = before + google({ source: 'google', dataLayer: 'layer' }) + client() + module('google-consent-mode')
  const { guest, answer, loaded } = await open('/google/before', { head })
  await loaded()
  await eventually('the answer', answer)
  assert.deepEqual(await answer(), { analytics: false, advertising: false })
  await guest.leave()
})

// As a site does that has a bundler.
const bundle = (contents) => {
  const source = (name) => new URL(`../../packages/sdk-browser/src/${name}.ts`, import.meta.url).pathname
  const names = ['consent-banner', 'tcf', 'google-consent-mode']
  const alias = Object.fromEntries(names.map((name) => [`@concierge/browser/${name}`, source(name)]))
  const options = { bundle: true, write: false, format: 'iife', alias: { '@concierge/browser': source('index'), ...alias } }
  return buildSync({ ...options, stdin: { contents, resolveDir: import.meta.dirname } }).outputFiles[0].text
}

test('a page that is built with the modules begins and ends them', async () => {
  const app = `
    import { start } from '@concierge/browser'
    import { openConsentBanner } from '@concierge/browser/consent-banner'
    import { followGoogle } from '@concierge/browser/google-consent-mode'
    import { followTcf } from '@concierge/browser/tcf'
    const client = start({ server: '${SERVER}', writeKey: '${WRITE_KEY}', consent: 'required' })
    const banner = openConsentBanner(client, { purposes: ['analytics', 'research'] })
    const ends = [followTcf(client), followGoogle(client), () => banner.end()]
    Object.assign(window, { client, banner, end: () => ends.forEach((end) => end()) })`
  site.show('/built.js', bundle(app), 'text/javascript')
  const body = '<main><h1>Shop</h1><a data-concierge-consent href="#">Privacy</a></main><script src="/built.js"></script>'
  const { guest, page } = await open('/built', { head: CMP, body })
  const answer = () => page.evaluate(() => client.consents())
  const question = page.getByRole('region', { name: 'Your privacy' })
  await question.waitFor()
  await act(page, complete([1, 8]))
  assert.deepEqual(await answer(), { analytics: true, personalization: false, advertising: false })
  // The dialogue of others asked about less.
  assert.equal(await question.isVisible(), true)
  await question.getByRole('button', { name: 'Refuse all' }).click()
  assert.equal((await updates(page)).at(-1)[1].analytics_storage, 'denied')
  await page.evaluate(() => banner.open())
  await page.getByRole('switch', { name: 'Statistics' }).waitFor()

  await page.evaluate(() => end())
  const said = await answer()
  const told = await updates(page)
  await act(page, complete([1, 2, 3, 4, 5, 6, 8]))
  assert.deepEqual([await answer(), await page.evaluate(() => Object.keys(listeners))], [said, []])
  await page.evaluate(() => client.consent({ analytics: true }))
  await page.locator('[data-concierge-consent]').click()
  assert.deepEqual([await updates(page), await page.locator('concierge-consent').count()], [told, 0])
  await guest.leave()
  assert.deepEqual(guest.complaints, [])
})
