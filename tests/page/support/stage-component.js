// A stage for components: a page of its own for an experience, and what came of it.

import { define, events, eventually } from '../../clients/browser/support/concierge.js'
import { site } from '../../clients/browser/support/stage.js'
import { tag } from './guide.js'
import { showing } from './showing.js'

export const TALL = '<main style="display:flow-root;height:3000px"><h1>Shop</h1><p>Things that last</p></main>'
export const html = (body = TALL, head = tag(), lang = 'en', dir = 'ltr') =>
  `<!doctype html><html lang="${lang}" dir="${dir}"><title>Shop</title><meta name="viewport" content="width=device-width">
  <link rel="icon" href="data:,">${head}<body>${body}</body></html>`
// What has moved, and how far.
export const SHIFTS = `<script>shifts = []
  new PerformanceObserver((list) => list.getEntries().forEach(({ value, sources }) =>
    shifts.push(value + sources.map(({ node }) => ' ' + (node.outerHTML ?? node.data).slice(0, 100)))))
    .observe({ type: 'layout-shift', buffered: true })</script>`

// A page of its own for an experience, under its name.
export async function stage(name, experience, body) {
  const matches = { context: 'page.path', op: 'eq', value: `/${name}` }
  await define('placements', name, { state: 'live', match: matches })
  await define('experiences', `${name}_on`, { state: 'live', placement: name, ...experience })
  return site.show(`/${name}`, html(body, SHIFTS + tag()))
}
export const shows = (component) => [{ key: 'on', content: { component } }]
export const device = (page) => page.evaluate(() => localStorage.getItem('ajs_anonymous_id'))
export const root = '[data-concierge-component]'

export const told = async (page, name, count = 1) => {
  const id = await device(page)
  return eventually(name, async () => {
    const found = (await events('anonymous_id', id)).filter((event) => event.name === name)
    return found.length >= count && found.map(({ properties }) => properties)
  })
}

export async function shown(page, url, open = () => page.waitForSelector(root, { timeout: 2_000 }).catch(() => null)) {
  await showing(page, url, async () => {
    await open()
    return page.isVisible(root)
  })
}
