// What is decided for a placement, in React and in Vue: shown by the framework itself, other on another route, and found
// out about like anything else.

import assert from 'node:assert/strict'
import { before, test } from 'node:test'

import { buildSync } from 'esbuild'

import { visitor } from '../clients/browser/support/browser.js'
import { SERVER, WRITE_KEY, define, events, eventually } from '../clients/browser/support/concierge.js'
import { browser, site } from '../clients/browser/support/stage.js'
import { showing } from './support/showing.js'

const at = (path) => new URL(path, import.meta.url).pathname
const SDK = at('../../packages/sdk-browser/src/')
const PAGES = { react: 'placement-react.jsx', vue: 'placement-vue.js' }

before(async () => {
  const matches = { context: 'page.path', op: 'starts_with', value: '/wrapped/' }
  for (const key of ['wrapped_hero', 'wrapped_row']) {
    await define('placements', key, { state: 'live', match: matches })
    await define('experiences', `${key}_on`, {
      state: 'live', placement: key, variants: [{ key: 'on', content: { title: `Chosen ${key}` } }],
    })
  }
})

function bundle(file) {
  const { outputFiles } = buildSync({
    entryPoints: [at(`support/${file}`)], bundle: true, minify: true, write: false, jsx: 'automatic', format: 'iife',
    nodePaths: [at('node_modules')],
    alias: {
      '@concierge/browser': `${SDK}index.ts`, '@concierge/browser/react': `${SDK}react.ts`,
      '@concierge/browser/vue': `${SDK}vue.ts`, react: at('node_modules/react'), vue: at('node_modules/vue'),
    },
    define: {
      'process.env.NODE_ENV': '"production"', __VUE_OPTIONS_API__: 'true', __VUE_PROD_DEVTOOLS__: 'false',
      __VUE_PROD_HYDRATION_MISMATCH_DETAILS__: 'false',
    },
  })
  return outputFiles[0].text
}

for (const [kind, file] of Object.entries(PAGES)) {
  test(`${kind}: a placement shows what was decided, route by route`, async () => {
    site.show(`/${file}`, bundle(file), 'text/javascript')
    const options = JSON.stringify({ server: SERVER, writeKey: WRITE_KEY })
    const url = site.show(`/wrapped/${kind}`, `<!doctype html><title>Shop</title><link rel="icon" href="data:,">
      <body><div id="root"></div><script>options = ${options}</script><script src="/${file}"></script></body>`)
    const guest = await visitor(browser, [site.url, SERVER])
    const page = await guest.open('about:blank')
    const shown = async () => [await page.textContent('h1'), await page.textContent('#row')].join()
    const CHOSEN = 'Chosen wrapped_hero,Chosen wrapped_row'
    await showing(page, url, async () => (await shown()) === CHOSEN)
    const id = await page.evaluate(() => localStorage.getItem('ajs_anonymous_id'))
    const viewed = await eventually('that it was seen', async () =>
      (await events('anonymous_id', id)).find(({ name }) => name === 'Experience Viewed'))
    assert.equal(viewed.properties.experience, 'wrapped_hero_on')
    await page.click('#away')
    await eventually('the default', async () => (await shown()) === 'Default,No row')
    assert.equal(await page.textContent('#path'), '/elsewhere')
    await page.click('#back')
    await eventually('what was decided', async () => (await shown()) === CHOSEN)
    await guest.leave()
    assert.deepEqual(guest.complaints, [])
  })
}
