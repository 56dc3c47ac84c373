// Feature flags through OpenFeature's browser client and its provider of the remote evaluation protocol.
// Started through tests/harness/concierge_server.py, which says where the server is.

import assert from 'node:assert/strict'
import { before, test } from 'node:test'

import { calls, visitor } from './support/browser.js'
import { SERVER, arrived, decisions, define, events, eventually } from './support/concierge.js'
import { flagsPage } from './support/flags.js'
import { browser, site } from './support/stage.js'

const ALL = '/ofrep/v1/evaluate/flags'
const EVENTS = '/ofrep/v1/events'

const banner = (value) => ({ state: 'live', default: { value } })

before(async () => {
  await define('placements', 'browser_banner', banner('red'))
  await define('placements', 'browser_hero', { state: 'live' })
  const variants = ['a', 'b'].map((key) => ({ key, content: { title: 'Hi', level: 2 } }))
  await define('experiences', 'browser_hero_test', { state: 'live', placement: 'browser_hero', variants })
})

// A page whose script has set up `flags`, for a person of its own.
async function shop(t, who) {
  const guest = await visitor(browser, [site.url, SERVER])
  t.after(() => t.passed || guest.complaints.forEach((complaint) => t.diagnostic(complaint)))
  const url = site.show(`/flags/${who}`, flagsPage(SERVER, who))
  const page = await guest.open(url)
  await page.evaluate(() => ready)
  return { guest, page }
}

const text = (page, key) => page.evaluate((flag) => flags.getStringValue(flag, 'none'), key)

// The statuses with which the server answered, in the order asked.
async function statuses(guest) {
  const answers = await Promise.all(calls(guest, 'POST', ALL).map((one) => one.response()))
  return answers.map((answer) => answer.status())
}

const answered = (guest, count) =>
  eventually(`${count} answers`, async () => (await statuses(guest)).length >= count)

test('all flags come at once, with what was decided and why', async (t) => {
  const { guest, page } = await shop(t, 'browser-reader')
  assert.equal(await text(page, 'browser_banner'), 'red')
  const details = await page.evaluate(() => flags.getObjectDetails('browser_hero', {}))
  assert.deepEqual(details.value, { title: 'Hi', level: 2 })
  assert.equal(details.reason, 'SPLIT')
  assert.ok(['a', 'b'].includes(details.variant))
  assert.equal(details.flagMetadata.experience, 'browser_hero_test')
  assert.equal(typeof details.flagMetadata.token, 'string')
  assert.equal(await text(page, 'nothing'), 'none')
  await guest.leave()
  assert.deepEqual(guest.complaints, [])
})

test('a second load asks whether anything changed, and nothing did', async (t) => {
  const { guest, page } = await shop(t, 'browser-returner')
  await page.reload()
  await page.evaluate(() => ready)
  assert.equal(await text(page, 'browser_banner'), 'red')
  await answered(guest, 2)
  const [first, second] = calls(guest, 'POST', ALL)
  const tag = (await first.response()).headers().etag
  assert.equal((await second.allHeaders())['if-none-match'], tag)
  assert.deepEqual(await statuses(guest), [200, 304])
  await guest.leave()
  assert.deepEqual(guest.complaints, [])
})

test('a change of definitions reaches an open page', async (t) => {
  const { guest, page } = await shop(t, 'browser-stayer')
  await eventually('an open stream', async () => {
    const [stream] = calls(guest, 'GET', EVENTS)
    return stream && (await stream.response())
  })
  await define('placements', 'browser_banner', banner('green'))
  await eventually('the new value', async () => (await text(page, 'browser_banner')) === 'green')
  const asked = calls(guest, 'POST', ALL)
  assert.equal(asked.length, 2)
  const { flagConfigEtag } = Object.fromEntries(new URL(asked[1].url()).searchParams)
  assert.match(flagConfigEtag, /^"v\d+"$/)
  assert.deepEqual(await statuses(guest), [200, 200])
  assert.ok((await page.evaluate(() => changes)).some((changed) => changed.includes('browser_banner')))
  // What makes no difference to this person is answered without a body.
  await define('placements', 'browser_later', { state: 'draft' })
  await answered(guest, 3)
  assert.deepEqual(await statuses(guest), [200, 200, 304])
  await define('placements', 'browser_banner', banner('red'))
  await eventually('the old value', async () => (await text(page, 'browser_banner')) === 'red')
  await guest.leave()
  assert.deepEqual(guest.complaints, [])
})

test('a flag that is used is recorded, and one that is not is not', async (t) => {
  const who = 'browser-user'
  const { guest, page } = await shop(t, who)
  const details = await page.evaluate(() => flags.getObjectDetails('browser_hero', {}))
  const { token, decision_id: id } = details.flagMetadata
  await page.evaluate(() => used)
  await arrived('anonymous_id', who, 1)
  const recorded = await decisions('anonymous_id', who)
  assert.deepEqual(recorded.map((one) => [one.id, one.placement]), [[id, 'browser_hero']])
  assert.equal((await events('anonymous_id', who))[0].properties.token, token)
  await guest.leave()
  assert.deepEqual(guest.complaints, [])
})
