// What pages and mails send without any vendor's client: beacons and images.
// Started through tests/harness/concierge_server.py, which says where the server is.

import assert from 'node:assert/strict'
import { test } from 'node:test'

import { visitor } from './support/browser.js'
import { SERVER, WRITE_KEY, arrived, counted, events, eventually, person, quarantine } from './support/concierge.js'
import { browser, site } from './support/stage.js'

const welcome = () => visitor(browser, [site.url, SERVER])

// The address of an image that stands for a call. Plain base64 needs escaping, as the base64 of a browser does.
function pixel(call, event) {
  const data = Buffer.from(JSON.stringify({ writeKey: WRITE_KEY, ...event })).toString('base64')
  return `${SERVER}/v1/pixel/${call}?data=${encodeURIComponent(data)}`
}

const beacons = {
  'a batch, keyed in the address': [
    `/beacon/v1/batch?writeKey=${WRITE_KEY}`,
    (event) => ({ batch: [{ type: 'track', ...event }] }),
  ],
  'one call, keyed in the body': ['/v1/t', (event) => ({ writeKey: WRITE_KEY, ...event })],
}

for (const [position, [form, [path, body]]] of Object.entries(beacons).entries()) {
  test(`a beacon of ${form} arrives once from a page that is left`, async () => {
    const anonymousId = `beacon-browser-${position}`
    const text = JSON.stringify(body({ anonymousId, event: 'Left', messageId: `beacon-message-${position}` }))
    const guest = await welcome()
    const page = await guest.open(`${site.url}/beacons`)
    await page.evaluate(
      ([url, sent]) => addEventListener('pagehide', () => navigator.sendBeacon(url, sent)),
      [SERVER + path, text],
    )
    await page.goto(`${site.url}/elsewhere`)
    await arrived('anonymous_id', anonymousId, 1)
    await guest.leave()
    assert.deepEqual(counted(await events('anonymous_id', anonymousId)), { Left: 1 })
    assert.deepEqual(guest.complaints, [])
  })
}

test('images in a page without scripts are calls', async () => {
  const device = { anonymousId: 'pixel-browser-device' }
  const known = { ...device, userId: 'pixel-browser-reader' }
  const images = [
    pixel('page', { ...device, name: 'Letter', context: { page: { url: 'https://shop.example/?å=1' } } }),
    pixel('identify', { ...known, traits: { plan: 'pro' } }),
    pixel('track', { ...known, event: 'Email Opened', properties: { subject: 'Hej då >>> ???' } }),
  ]
  const html = images.map((address) => `<img src="${address}" alt="">`).join('')
  const guest = await visitor(browser, [site.url, SERVER], { javaScriptEnabled: false })
  // An image delays the page's load until it is there, and it is there when the event is.
  const page = await guest.open(site.show('/letter', `<!doctype html><title>Letter</title>${html}`))
  const sizes = await page.locator('img').evaluateAll((all) => all.map((one) => one.naturalWidth * one.naturalHeight))
  await guest.leave()

  assert.deepEqual(sizes, [1, 1, 1], 'each is drawn')
  const reader = await person('user_id', known.userId)
  assert.equal(reader.traits.plan.value, 'pro')
  const found = await events('anonymous_id', device.anonymousId)
  assert.deepEqual(counted(found), { 'Page Viewed': 1, Identify: 1, 'Email Opened': 1 })
  const [opened] = found.filter(({ name }) => name === 'Email Opened')
  assert.equal(opened.properties.subject, 'Hej då >>> ???')
  const [viewed] = found.filter(({ name }) => name === 'Page Viewed')
  assert.equal(viewed.context.page.url, 'https://shop.example/?å=1')
  assert.deepEqual(guest.complaints, [])
})

test('an image is drawn whatever its event is worth, and an unsound event is set aside', async () => {
  const before = (await quarantine()).length
  const addresses = [
    pixel('track', { userId: 'pixel-browser-nameless' }),
    `${SERVER}/v1/pixel/track?writeKey=${WRITE_KEY}&data=%00nonsense`,
    `${SERVER}/v1/pixel/track?writeKey=nobody&data=e30`,
    `${SERVER}/v1/pixel/page`,
  ]
  const guest = await welcome()
  const page = await guest.open(`${site.url}/pixels`)
  const widths = await page.evaluate(
    (all) =>
      Promise.all(
        all.map(async (address) => {
          const image = new Image()
          image.src = address
          await image.decode()
          return image.naturalWidth
        }),
      ),
    addresses,
  )
  await guest.leave()

  assert.deepEqual(widths, [1, 1, 1, 1])
  const aside = await eventually('the unsound events', async () => {
    const all = await quarantine()
    return all.length >= before + 2 && all.slice(0, all.length - before)
  })
  assert.deepEqual(aside.map(({ code }) => code).toSorted(), ['malformed_json', 'no_event_name'])
  assert.deepEqual(guest.complaints, [])
})
