// Nobody sees the original and then something else: what may change is hidden in its box until it is decided, for
// 300 ms at most, and who has seen the original keeps it, whichever variant they were given.

import assert from 'node:assert/strict'
import { before, test } from 'node:test'

import { visitor } from '../clients/browser/support/browser.js'
import { SERVER, define, events, eventually } from '../clients/browser/support/concierge.js'
import { browser, site } from '../clients/browser/support/stage.js'
import { tag } from './support/guide.js'
import { showing } from './support/showing.js'
import { openSlowly } from './support/slow.js'

const BODY = `<header style="height:80px">Shop</header>
  <section data-concierge="flicker_slot" style="height:60px"><h1 data-field="title">Original</h1></section>
  <p id="offer" style="height:20px">Original</p>
  <footer>The end</footer>`

// What was seen of both, frame by frame, and every shift of the layout, from the first moment of the page.
const WATCH = `<script>
  window.frames_seen = []
  window.shifts = 0
  window.long = []
  new PerformanceObserver((list) => list.getEntries().forEach((one) => (shifts += one.value)))
    .observe({ type: 'layout-shift', buffered: true })
  new PerformanceObserver((list) => list.getEntries().forEach((one) => long.push(one.duration)))
    .observe({ type: 'longtask', buffered: true })
  const look = () => {
    const texts = ['h1', '#offer'].map((selector) => {
      const element = document.querySelector(selector)
      return element && getComputedStyle(element).visibility === 'visible' ? element.innerText : ''
    })
    frames_seen.push({ at: performance.now(), texts })
    requestAnimationFrame(look)
  }
  requestAnimationFrame(look)
</script>`

before(async () => {
  for (const path of ['flicker', 'late']) {
    const matches = { context: 'page.path', op: 'eq', value: `/${path}` }
    await define('placements', `${path}_slot`, { state: 'live', match: matches })
    await define('placements', `${path}_page`, { state: 'live', match: matches })
  }
  await define('experiences', 'flicker_slot_on', {
    state: 'live', placement: 'flicker_slot', variants: [{ key: 'on', content: { title: 'Chosen' } }],
  })
  const changes = [{ kind: 'text', selector: '#offer', value: 'Chosen' }]
  await define('experiences', 'flicker_page_on', {
    state: 'live', placement: 'flicker_page', variants: [{ key: 'on', content: { changes } }],
  })
  // Half of the visitors are given the control.
  await define('experiences', 'late_page_test', {
    state: 'live', placement: 'late_page', control: 'off',
    variants: [{ key: 'off', content: null }, { key: 'on', content: { changes } }],
  })
})

const html = (head, body = BODY) =>
  `<!doctype html><title>Shop</title><link rel="icon" href="data:,">${WATCH}${head}<body>${body}</body>`

test('what changes is never seen as it was, and nothing moves', async () => {
  const guest = await visitor(browser, [site.url, SERVER])
  const url = site.show('/flicker', html(tag()))
  const page = await guest.open(url)
  const all = () => page.evaluate(() => frames_seen.at(-1)?.texts.every((text) => text === 'Chosen'))
  const longest = []
  for (let visit = 0; visit < 4; visit += 1) {
    await showing(page, url, all)
    const { texts, shifts, long } = await page.evaluate(() => ({
      texts: [...new Set(frames_seen.flatMap((frame) => frame.texts))].sort(), shifts, long,
    }))
    // On the first visit only what is marked is known ahead.
    if (visit) assert.equal(texts.includes('Original'), false, `visit ${visit}`)
    assert.equal(shifts, 0)
    longest.push(Math.max(0, ...long))
  }
  // What takes long because of us does so each time; a busy machine makes single tasks long.
  assert.equal(Math.min(...longest), 0, `long tasks: ${longest} ms`)
  await guest.leave()
  assert.deepEqual(guest.complaints, [])
})

test('a slow server is waited for 300 ms, and then everybody keeps the original', async (t) => {
  const slow = await openSlowly(SERVER, { '/v1/decide': 1500 })
  t.after(slow.close)
  const variants = new Set()
  for (let number = 0; variants.size < 2; number += 1) {
    assert.ok(number < 20, 'both variants are drawn')
    const guest = await visitor(browser, [site.url, slow.url])
    const page = await guest.open(site.show('/late', html(tag(slow.url), BODY.replace('flicker_slot', 'late_slot'))))
    const id = await eventually('a visitor', () => page.evaluate(() => localStorage.getItem('ajs_anonymous_id')))
    const missed = await eventually('the miss', async () =>
      (await events('anonymous_id', id)).find(({ name }) => name === 'Experience Missed'))
    assert.equal(missed.properties.reason, 'late')
    assert.equal(missed.properties.experience, 'late_page_test')
    variants.add(missed.properties.variant)
    const frames = await page.evaluate(() => frames_seen)
    const shown = frames.find(({ texts }) => texts[0] === 'Original')
    const started = frames.find(({ texts }) => texts[0] === '')
    assert.ok(shown.at - (started?.at ?? 0) < 600, `the slot is shown ${shown.at} ms after the start`)
    assert.deepEqual(frames.at(-1).texts, ['Original', 'Original'])
    await guest.leave()
  }
})
