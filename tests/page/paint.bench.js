// When a page shows the largest of what it has to show (Largest Contentful Paint), with the tag and without it, on a slow
// network and a slow processor. Pages are opened in turns, so that whatever else the machine does meets both alike.
// Started by `make bench-page`, which says where the server is.

import { visitor, launch } from '../clients/browser/support/browser.js'
import { SERVER, countPrograms, define } from '../clients/browser/support/concierge.js'
import { openSite } from '../clients/browser/support/site.js'
import { tag } from './support/guide.js'

const TURNS = Number(process.env.TURNS ?? 30)
/** What tools call slow 4G: 150 ms there and back, 1.6 Mbit/s down, 750 kbit/s up. */
const NETWORK = { offline: false, latency: 150, downloadThroughput: 200_000, uploadThroughput: 93_750 }
/** A phone of the middle class is so much slower than a desktop. */
const SLOWER = 4
const SETTLED_MS = 1_500
/** So much later than without us the largest paint may be, in milliseconds. */
const BUDGET_MS = 50

const BODY = `<main style="font:20px sans-serif"><section data-concierge="paint_hero" style="height:320px">
  <h1 data-field="title" style="font-size:64px">Things that last, made by people who care about them</h1></section>
  ${'<p>Lorem ipsum dolor sit amet, consectetur adipiscing elit, sed do eiusmod tempor incididunt.</p>'.repeat(40)}</main>`
const html = (head) => `<!doctype html><html lang="en"><title>Shop</title><link rel="icon" href="data:,">
  <script>paint = 0; moved = 0; long = 0
    const watch = (type, take) => new PerformanceObserver((list) => list.getEntries().forEach(take)).observe({ type, buffered: true })
    watch('largest-contentful-paint', ({ startTime }) => (paint = startTime))
    watch('layout-shift', ({ value }) => (moved += value))
    watch('longtask', ({ duration }) => (long = Math.max(long, duration)))
  </script>${head}<body>${BODY}</body></html>`

async function measured(browser, site, url, seen) {
  const guest = await visitor(browser, [site.url, SERVER])
  const page = await guest.context.newPage()
  const devtools = await guest.context.newCDPSession(page)
  await devtools.send('Network.enable')
  await devtools.send('Network.emulateNetworkConditions', NETWORK)
  await devtools.send('Emulation.setCPUThrottlingRate', { rate: SLOWER })
  // The second visit, as the script may be in the cache by then; and the first, when nothing is.
  const visits = []
  for (const visit of ['first', 'second']) {
    await page.goto(url, { waitUntil: 'load' })
    await page.waitForTimeout(SETTLED_MS)
    visits.push({ visit, ...(await page.evaluate(() => ({ paint, moved, long, title: document.querySelector('h1').innerText }))) })
  }
  await guest.context.close()
  for (const one of visits) seen[one.visit].push(one)
}

const sorted = (numbers) => [...numbers].sort((a, b) => a - b)
const at = (numbers, share) => sorted(numbers)[Math.floor((numbers.length - 1) * share)]

const site = await openSite()
const browser = await launch()
await countPrograms()
await define('placements', 'paint_hero', { state: 'live', match: { context: 'page.path', op: 'eq', value: '/with' } })
await define('experiences', 'paint_hero_on', {
  state: 'live', placement: 'paint_hero',
  variants: [{ key: 'on', content: { title: 'Things that last, chosen for you by what you have looked at' } }],
})
const urls = { without: site.show('/without', html('')), with: site.show('/with', html(tag())) }
const found = { without: { first: [], second: [] }, with: { first: [], second: [] } }
for (let turn = 0; turn < TURNS; turn += 1) {
  for (const kind of turn % 2 ? ['with', 'without'] : ['without', 'with']) await measured(browser, site, urls[kind], found[kind])
  process.stderr.write(`\r${turn + 1} of ${TURNS} turns`)
}
process.stderr.write('\n')
await browser.close()
await site.close()

console.log('| visit | without: p50, p90 | with: p50, p90 | later by, p50 | moved | shown in time |')
console.log('|---|---|---|---|---|---|')
let isWithin = true
for (const visit of ['first', 'second']) {
  const [bare, ours] = [found.without[visit], found.with[visit]]
  const paints = (list) => list.map(({ paint }) => paint)
  const later = at(paints(ours), 0.5) - at(paints(bare), 0.5)
  isWithin &&= later <= BUDGET_MS
  const figures = [bare, ours].map((list) => `${at(paints(list), 0.5).toFixed(0)} ms, ${at(paints(list), 0.9).toFixed(0)} ms`)
  const shown = ours.filter(({ title }) => title.includes('chosen')).length / ours.length
  const moved = Math.max(...ours.map(({ moved }) => moved))
  console.log(`| ${visit} | ${figures.join(' | ')} | ${later.toFixed(0)} ms | ${moved} | ${(shown * 100).toFixed(0)} % |`)
}
console.log(`longest task with us: ${Math.max(...found.with.first.concat(found.with.second).map(({ long }) => long))} ms; budget of the largest paint: ${BUDGET_MS} ms, ${isWithin ? 'met' : 'missed'}`)
