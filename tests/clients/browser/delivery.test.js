// What the published browser clients send from a page of another origin arrives, once, at the person it is about.
// Started through tests/harness/concierge_server.py, which says where the server is.

import assert from 'node:assert/strict'
import { test } from 'node:test'

import { called, calls, visitor } from './support/browser.js'
import { SERVER, arrived, counted, events, eventually, person } from './support/concierge.js'
import { LATE, LOST, PASSED, openRelay } from './support/relay.js'
import { browser, site } from './support/stage.js'
import { VENDORS } from './support/vendors.js'

const CAMPAIGN = 'utm_source=letter&utm_medium=email&utm_campaign=autumn'

// Puts a page with a vendor's client on the site, and sends a visitor who may ask it and the server only.
async function shop(t, name, delivery, server = SERVER) {
  const vendor = VENDORS[name]
  const url = site.show(`/${name}/${delivery}`, vendor.html(server, vendor[delivery]))
  const guest = await visitor(browser, [site.url, server])
  // Why nothing arrived, the browser knows.
  t.after(() => t.passed || guest.complaints.forEach((complaint) => t.diagnostic(complaint)))
  return { vendor, guest, url, open: (query = '') => guest.open(`${url}?${query}`) }
}

// A way to the server that the test can break.
async function relayed(t) {
  const relay = await openRelay(SERVER)
  t.after(relay.close)
  return relay
}

// Waits until the server has taken a call whose answer had a fate.
const posted = (relay, fate) =>
  eventually(`a call whose answer is ${fate}`, () => relay.posted.some((one) => one.fate === fate))

// The ids of all events that were posted one by one.
const messages = (relay) => new Set(relay.posted.map(({ body }) => body.messageId))

for (const name of Object.keys(VENDORS)) {
  const user = (what) => `${name}-browser-${what}`

  test(`${name}: every call arrives once, at one person`, async (t) => {
    const { vendor, guest, open } = await shop(t, name, 'single')
    const page = await open(CAMPAIGN)
    const device = await page.evaluate(vendor.anonymousId)
    await page.evaluate((userId) => {
      tracker.page('Start')
      tracker.track('Product Viewed', { sku: 'a1', price: 19.5 })
      tracker.identify(userId, { plan: 'pro', seats: 3 })
      tracker.track('Order Completed', { revenue: 19.5, currency: 'SEK' })
      tracker.group('acme', { industry: 'toys' })
    }, user('caller'))
    await arrived('anonymous_id', device, 5)
    await guest.leave()

    const profile = await person('user_id', user('caller'))
    assert.equal(profile.traits.plan.value, 'pro')
    assert.equal(profile.traits.seats.value, 3)
    assert.equal((await person('anonymous_id', device)).id, profile.id)
    const found = await events('user_id', user('caller'))
    const once = { 'Page Viewed': 1, 'Product Viewed': 1, Identify: 1, 'Order Completed': 1, Group: 1 }
    assert.deepEqual(counted(found), once)
    for (const { name: event, identifiers } of found) {
      const devices = identifiers.filter(({ type }) => type === 'anonymous_id')
      assert.deepEqual(devices.map(({ value }) => value), [device], event)
    }
    const [viewed] = found.filter((event) => event.name === 'Product Viewed')
    assert.deepEqual([viewed.properties.sku, viewed.properties.price], ['a1', 19.5])
    const [grouped] = found.filter((event) => event.name === 'Group')
    assert.equal(grouped.properties.group_id, 'acme')
    assert.deepEqual(grouped.properties.traits, { industry: 'toys' })
    assert.ok(calls(guest, 'GET', vendor.paths.settings).length > 0, 'the settings were asked for')
    assert.equal(calls(guest, 'POST', vendor.paths.track).length, 2, 'each goes by itself')
    assert.deepEqual(guest.complaints, [])
  })

  test(`${name}: the context of the page is kept`, async (t) => {
    const { vendor, guest, url } = await shop(t, name, 'single')
    const page = await guest.open(`${site.url}/elsewhere`)
    await page.evaluate((target) => (location.href = target), `${url}?${CAMPAIGN}`)
    await page.waitForURL(`${url}?${CAMPAIGN}`)
    const device = await page.evaluate(vendor.anonymousId)
    const agent = await page.evaluate(() => navigator.userAgent)
    await page.evaluate(() => void tracker.page('Start'))
    await arrived('anonymous_id', device, 1)
    await guest.leave()

    const [{ context, properties }] = await events('anonymous_id', device)
    assert.equal(context.page.url, `${url}?${CAMPAIGN}`)
    assert.equal(context.page.path, new URL(url).pathname)
    assert.equal(context.page.referrer, `${site.url}/elsewhere`)
    assert.equal(context.page.search, `?${CAMPAIGN}`)
    assert.equal(context.page.title, 'The shop')
    assert.equal(context.locale, 'sv-SE')
    assert.equal(context.userAgent, agent)
    assert.deepEqual(context.campaign, { source: 'letter', medium: 'email', name: 'autumn' })
    assert.equal(properties.name, 'Start')
    assert.deepEqual(guest.complaints, [])
  })

  test(`${name}: after a reset somebody else is there`, async (t) => {
    const { vendor, guest, open } = await shop(t, name, 'single')
    const page = await open()
    const device = await page.evaluate(vendor.anonymousId)
    await page.evaluate((userId) => {
      tracker.identify(userId)
      tracker.track('Before')
    }, user('leaver'))
    await arrived('anonymous_id', device, 2)
    await page.evaluate(vendor.reset)
    const other = await page.evaluate(vendor.anonymousId)
    assert.notEqual(other, device)
    await page.evaluate(() => void tracker.track('After'))
    await arrived('anonymous_id', other, 1)
    await guest.leave()

    assert.deepEqual(counted(await events('user_id', user('leaver'))), { Identify: 1, Before: 1 })
    assert.deepEqual(counted(await events('anonymous_id', other)), { After: 1 })
  })

  test(`${name}: a second load keeps the anonymous id`, async (t) => {
    const { vendor, guest, open } = await shop(t, name, 'single')
    const page = await open()
    const device = await page.evaluate(vendor.anonymousId)
    await page.evaluate(() => void tracker.track('First'))
    await arrived('anonymous_id', device, 1)
    await page.reload()
    assert.equal(await page.evaluate(vendor.anonymousId), device)
    await page.evaluate(() => void tracker.track('Second'))
    await arrived('anonymous_id', device, 2)
    await guest.leave()
    assert.deepEqual(counted(await events('anonymous_id', device)), { First: 1, Second: 1 })
  })

  test(`${name}: a batch arrives whole`, async (t) => {
    const { vendor, guest, open } = await shop(t, name, 'batching')
    const page = await open()
    const device = await page.evaluate(vendor.anonymousId)
    await page.evaluate(() => {
      for (let number = 0; number < 6; number += 1) tracker.track('Step', { number })
    })
    await arrived('anonymous_id', device, 6)
    await guest.leave()

    const steps = await events('anonymous_id', device)
    const numbers = steps.map(({ properties }) => properties.number)
    assert.deepEqual(numbers.toSorted(), [0, 1, 2, 3, 4, 5])
    // How many batches depends on what waits for what; one event each would be none.
    const batches = calls(guest, 'POST', vendor.paths.batch).length
    assert.ok(batches >= 2 && batches < 6, `${batches} batches`)
    assert.equal(calls(guest, 'POST', vendor.paths.track).length, 0)
  })

  test(`${name}: what waits when the page is left arrives`, async (t) => {
    const relay = await relayed(t)
    const { vendor, guest, open } = await shop(t, name, 'atUnload', relay.url)
    const page = await open()
    const device = await page.evaluate(vendor.anonymousId)
    // Where `track` answers with a promise, it is kept once the event has joined what waits.
    await page.evaluate(() => Promise.all([tracker.track('Read'), tracker.track('Left')]))
    assert.deepEqual(relay.posted, [], 'it still waits')
    await page.goto(`${site.url}/elsewhere`)
    await arrived('anonymous_id', device, 2)
    await guest.leave()
    assert.deepEqual(relay.posted.map(({ path }) => path), [vendor.paths.unload])
    assert.deepEqual(counted(await events('anonymous_id', device)), { Read: 1, Left: 1 })
    assert.deepEqual(guest.complaints, [])
  })

  test(`${name}: what is sent while the server is away arrives once it is back`, async (t) => {
    const relay = await relayed(t)
    const { vendor, guest, open } = await shop(t, name, 'single', relay.url)
    const page = await open()
    const device = await page.evaluate(vendor.anonymousId)
    await relay.refuse()
    await page.evaluate(() => void tracker.track('Patient'))
    await called(guest, 'POST', vendor.paths.track)
    assert.deepEqual(await events('anonymous_id', device), [])
    await relay.accept()
    await arrived('anonymous_id', device, 1)
    await guest.leave()
    assert.deepEqual(counted(await events('anonymous_id', device)), { Patient: 1 })
  })

  test(`${name}: what is sent again for want of an answer arrives once`, async (t) => {
    const relay = await relayed(t)
    const { vendor, guest, open } = await shop(t, name, 'single', relay.url)
    const page = await open()
    const device = await page.evaluate(vendor.anonymousId)
    relay.answers = LOST
    await page.evaluate(() => void tracker.track('Insistent'))
    await posted(relay, LOST)
    relay.answers = PASSED
    await posted(relay, PASSED)
    await guest.leave()
    assert.equal(messages(relay).size, 1)
    assert.deepEqual(counted(await events('anonymous_id', device)), { Insistent: 1 })
  })

  test(`${name}: what the next page sends again, because the answer came too late, arrives once`, async (t) => {
    const relay = await relayed(t)
    const { vendor, guest, open } = await shop(t, name, 'single', relay.url)
    const page = await open()
    const device = await page.evaluate(vendor.anonymousId)
    relay.answers = LATE
    await page.evaluate(() => void tracker.track('Hasty'))
    await posted(relay, LATE)
    relay.answers = PASSED
    await page.reload()
    await posted(relay, PASSED)
    await guest.leave()
    assert.equal(messages(relay).size, 1)
    assert.deepEqual(counted(await events('anonymous_id', device)), { Hasty: 1 })
  })
}
