// Pages that a framework renders on the server and takes over in the browser: until it has, nothing is changed, since it
// compares what it finds with what it would render.

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'

import { buildSync } from 'esbuild'

import { visitor } from '../clients/browser/support/browser.js'
import { SERVER, define, events, eventually } from '../clients/browser/support/concierge.js'
import { browser, site } from '../clients/browser/support/stage.js'
import { tag } from './support/guide.js'
import { showing } from './support/showing.js'

const at = (path) => new URL(path, import.meta.url).pathname
// The builds for development say so when something is not as it was rendered.
const bundle = (contents, options) => buildSync({
  stdin: { contents, resolveDir: at('support'), loader: 'jsx' }, bundle: true, write: false, jsx: 'automatic',
  define: {
    'process.env.NODE_ENV': '"development"', __VUE_OPTIONS_API__: 'true', __VUE_PROD_DEVTOOLS__: 'false',
    __VUE_PROD_HYDRATION_MISMATCH_DETAILS__: 'true',
  },
  ...options,
}).outputFiles[0].text

const RENDERERS = {
  react: `import { renderToString } from 'react-dom/server.browser'
    import { Shop } from './hydrated-react.jsx'
    process.stdout.write(renderToString(<Shop />), () => process.exit())`,
  vue: `import { createSSRApp } from 'vue'
    import { renderToString } from 'vue/server-renderer'
    import { Shop } from './hydrated-vue.js'
    process.stdout.write(await renderToString(createSSRApp(Shop)), () => process.exit())`,
}
const FILES = { react: 'hydrated-react.jsx', vue: 'hydrated-vue.js' }

async function rendered(kind) {
  const folder = await mkdtemp(join(tmpdir(), 'concierge-rendered-'))
  const file = join(folder, 'page.mjs')
  await writeFile(file, bundle(RENDERERS[kind], { format: 'esm', platform: 'node' }))
  // In a process of its own, since what renders may keep one alive.
  const html = execFileSync(process.execPath, [file], { encoding: 'utf8' })
  await rm(folder, { recursive: true })
  return html
}

for (const kind of Object.keys(FILES)) {
  test(`${kind}: what was rendered on the server is changed once it is alive, and not before`, async () => {
    const path = `/hydrated/${kind}`
    await define('placements', `${kind}_hydrated`, {
      state: 'live', match: { context: 'page.path', op: 'eq', value: path },
    })
    await define('experiences', `${kind}_hydrated_on`, {
      state: 'live', placement: `${kind}_hydrated`,
      variants: [{ key: 'on', content: { changes: [{ kind: 'text', selector: '#title', value: 'Changed' }] } }],
    })
    site.show(`/hydrated-${kind}.js`, bundle(`import './${FILES[kind]}'`, { format: 'iife' }), 'text/javascript')
    const url = site.show(path, `<!doctype html><html lang="en"><title>Shop</title><link rel="icon" href="data:,">${tag()}
      <body><div id="root" data-concierge-hydrate>${await rendered(kind)}</div>
      <script src="/hydrated-${kind}.js"></script></body></html>`)
    const guest = await visitor(browser, [site.url, SERVER])
    const page = await guest.open('about:blank')
    const title = () => page.textContent('#title')
    await showing(page, url, async () => {
      const [asked] = guest.asked.filter((one) => one.url().endsWith('/v1/decide')).slice(-1)
      await asked?.response()
      // Twice a frame, so that it would have been changed by now.
      await page.evaluate(() => new Promise((painted) => requestAnimationFrame(() => requestAnimationFrame(painted))))
      assert.equal(await title(), 'Things that last')
      await page.evaluate(() => void window.hydrate())
      return page.waitForFunction(() => document.getElementById('title').innerText === 'Changed', null, { timeout: 2_000 })
        .catch(() => null)
    })
    await page.click('#more')
    await eventually('it is alive', async () => (await page.textContent('#count')) === 'Looked at 1')
    assert.equal(await page.evaluate(() => document.getElementById('title').innerText), 'Changed')
    assert.deepEqual(await page.evaluate(() => window.faults), [])
    const id = await page.evaluate(() => localStorage.getItem('ajs_anonymous_id'))
    await eventually('that it was seen', async () =>
      (await events('anonymous_id', id)).some(({ name }) => name === 'Experience Viewed'))
    await guest.leave()
    assert.deepEqual(guest.complaints, [])
  })
}
