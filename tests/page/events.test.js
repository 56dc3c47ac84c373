// What visitors do arrives once: what pages declare, what they say before the client has loaded, what happens offline or
// as the page goes, and how long it was read, where that was agreed to.

import assert from 'node:assert/strict'
import { before, test } from 'node:test'

import { visitor } from '../clients/browser/support/browser.js'
import { SERVER, counted, define, events, eventually } from '../clients/browser/support/concierge.js'
import { browser, site } from '../clients/browser/support/stage.js'
import { tag } from './support/guide.js'
import { showing } from './support/showing.js'

const BODY = `
  <a id="prices" href="#prices" data-event="File Downloaded" data-event-topic="prices" data-event-file-kind="pdf"><b>Prices</b></a>
  <form data-event="Form Submitted" data-event-form="test_drive" onsubmit="return false">
    <input name="model" value="estate" data-event-field>
    <input name="newsletter" type="checkbox" data-event-field>
    <input name="private" value="mine">
    <input name="secret" type="password" value="mine" data-event-field>
    <button>Send</button>
  </form>
  <p style="height:3000px">Long</p>`

before(() =>
  define('purposes', 'attention', { state: 'live', default: 'denied', events: ['Attention Measured'] }))

async function open(path, options) {
  const guest = await visitor(browser, [site.url, SERVER])
  const head = `<script>conciergeOptions = ${JSON.stringify(options)}</script>${tag()}`
  const early = "<script>concierge('track', 'Early', { first: true })</script>"
  const url = site.show(path, `<!doctype html><title>Shop</title><link rel="icon" href="data:,">${head}${early}<body>${BODY}</body>`)
  const page = await guest.open(`${url}?q=red+shoes`)
  await page.waitForFunction(() => window.concierge && !concierge.q)
  const id = await page.evaluate(() => localStorage.getItem('ajs_anonymous_id'))
  const told = (name) => eventually(name, async () => (await events('anonymous_id', id)).find((one) => one.name === name))
  return { guest, page, url, id, told }
}

test('what a page declares is told, and no field that is not marked', async () => {
  const { guest, page, id, told } = await open('/events', { searchParameter: 'q' })
  await page.click('#prices b')
  await page.click('button')
  const downloaded = await told('File Downloaded')
  assert.deepEqual(downloaded.properties, { topic: 'prices', file_kind: 'pdf' })
  assert.deepEqual((await told('Form Submitted')).properties, { form: 'test_drive', model: 'estate' })
  assert.deepEqual((await told('Products Searched')).properties, { query: 'red shoes' })
  assert.deepEqual((await told('Early')).properties, { first: true })
  const viewed = await told('Page Viewed')
  assert.equal(viewed.properties.title, 'Shop')
  await guest.leave()
  const once = counted(await events('anonymous_id', id))
  assert.deepEqual(once, {
    'Page Viewed': 1, 'Products Searched': 1, Early: 1, 'File Downloaded': 1, 'Form Submitted': 1,
  })
  assert.deepEqual(guest.complaints, [])
})

test('what was tracked a moment before counts when a page asks anew', async () => {
  const match = { context: 'page.path', op: 'eq', value: '/anew' }
  await define('placements', 'anew', { state: 'live', match })
  const changes = [{ kind: 'text', selector: '#prices', value: 'Your plan' }]
  await define('experiences', 'anew_on', { state: 'live', placement: 'anew',
    eligibility: { event: 'Plan Chosen', within: '1d' }, variants: [{ key: 'on', content: { changes } }] })
  const { guest, page, told } = await open('/anew', {})
  await told('Page Viewed')
  assert.equal(await page.innerText('#prices'), 'Prices')
  await page.evaluate(() => {
    concierge('track', 'Plan Chosen')
    return concierge('decide')
  })
  assert.equal(await page.innerText('#prices'), 'Your plan')
  await guest.leave()
  assert.deepEqual(guest.complaints, [])
})

test('what happens offline arrives once the browser is online again, also on another page', async () => {
  const { guest, page, url, id, told } = await open('/offline', {})
  await told('Page Viewed')
  await guest.context.setOffline(true)
  await page.evaluate(() => concierge('track', 'Product Viewed', { product_id: 'a1' }))
  await page.waitForTimeout(1500)
  // The page goes while it is offline.
  await page.evaluate(() => dispatchEvent(new Event('pagehide')))
  await guest.context.setOffline(false)
  await page.goto(`${url}?again`)
  assert.deepEqual((await told('Product Viewed')).properties, { product_id: 'a1' })
  await eventually('the second page view', async () => counted(await events('anonymous_id', id))['Page Viewed'] === 2)
  assert.equal(counted(await events('anonymous_id', id))['Product Viewed'], 1)
  await guest.leave()
})

test('what is said as the page goes arrives', async () => {
  const { guest, page, told } = await open('/unload', {})
  await page.evaluate(() => concierge('track', 'Left', { at: 'once' }))
  await page.goto(site.show('/gone', '<!doctype html><title>Gone</title><link rel="icon" href="data:,">'))
  assert.deepEqual((await told('Left')).properties, { at: 'once' })
  await guest.leave()
})

test('attention is measured only where it was agreed to', async () => {
  const { guest, page, id, told } = await open('/attention', { attention: 'attention' })
  const read = async () => {
    for (let second = 0; second < 3; second += 1) {
      await page.mouse.wheel(0, 1000)
      await page.waitForTimeout(1100)
    }
    await page.evaluate(() => history.pushState({}, '', `/attention/${Math.random()}`))
  }
  await read()
  await page.evaluate(() => concierge('consent', { analytics: true, personalization: true, attention: true }))
  await read()
  const { properties } = await told('Attention Measured')
  assert.equal(properties.path.split('/')[1], 'attention')
  assert.ok(properties.active_seconds >= 1 && properties.active_seconds <= 10, `${properties.active_seconds} s`)
  assert.ok(properties.seen > 0.2 && properties.seen <= 1, `${properties.seen} of it`)
  assert.equal(counted(await events('anonymous_id', id))['Attention Measured'], 1)
  await guest.leave()
})

test('a visitor is led to another page once, and is counted before', async () => {
  const matches = { context: 'page.path', op: 'eq', value: '/led' }
  await define('placements', 'led_page', { state: 'live', match: matches })
  await define('experiences', 'led_away', {
    state: 'live', placement: 'led_page', variants: [{ key: 'on', content: { redirect: '/landed' } }],
  })
  const guest = await visitor(browser, [site.url, SERVER])
  const head = '<!doctype html><title>Shop</title><link rel="icon" href="data:,">'
  const page = await guest.open(site.show('/landed', `${head}<body>Landed</body>`))
  await showing(page, site.show('/led', `${head}${tag()}<body>Led</body>`), () => page.url().endsWith('/landed'))
  const id = await page.evaluate(() => localStorage.getItem('ajs_anonymous_id'))
  const applied = await eventually('that it was applied', async () =>
    (await events('anonymous_id', id)).find(({ name }) => name === 'Experience Applied'))
  assert.equal(applied.properties.experience, 'led_away')
  await guest.leave()
})
