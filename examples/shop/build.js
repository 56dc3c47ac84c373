// Builds both shops into `dist`: a page for every address of the plain one, and the application.
//
// The tag on the pages is that of the guide. Whoever serves them puts the address and the write key of the server in
// place of the guide's.

import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

import { build } from 'esbuild'

import { PRODUCTS, inCategory, productOf } from './catalogue.js'
import { MARK, picture, still } from './pictures.js'
import { TEXTS } from './texts.js'

const at = (path) => fileURLToPath(new URL(path, import.meta.url))
const SDK = at('../../packages/sdk-browser/src')
const TAG_HEADING = '## 1. Put the tag on your pages'

const guide = await readFile(at('../../docs/guide/personalise-your-site.md'), 'utf8')
const [, tag] = /```html\n([^]*?)```/.exec(guide.slice(guide.indexOf(TAG_HEADING)))

const options = {
  bundle: true, minify: true, jsx: 'automatic', target: 'es2022', format: 'esm', legalComments: 'none',
  nodePaths: [at('node_modules')], define: { 'process.env.NODE_ENV': '"production"' },
  alias: {
    '@concierge/browser': `${SDK}/index.ts`, '@concierge/browser/react': `${SDK}/react.ts`, react: at('node_modules/react'),
  },
}

async function put(path, text) {
  const file = at(`dist/${path}`)
  await mkdir(dirname(file), { recursive: true })
  await writeFile(file, text)
}

/** The views, as a module that renders pages to text here. */
async function renderer() {
  const file = at('dist/render.mjs')
  await build({
    ...options, entryPoints: [at('render.jsx')], outfile: file, platform: 'node', minify: false,
    banner: { js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url)" },
  })
  const module = await import(pathToFileURL(file))
  await rm(file)
  return module
}

const attributes = (values) => Object.entries(values).map(([name, value]) => ` ${name}="${value}"`).join('')

function documentOf({ html, title, locale, head }) {
  const t = TEXTS[locale]
  return `<!doctype html>
<html${attributes({ lang: locale, dir: t.direction, ...html })}>
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title} · Tallby</title>
<meta name="description" content="${t.hero.text}">
<link rel="icon" href="/pictures/mark.svg">
<link rel="stylesheet" href="/shop.css">
${head}
</head>
`
}

const plainHead = `<script>conciergeOptions = { searchParameter: 'q' }</script>
${tag}<script type="module" src="/plain.js"></script>`

async function putPages({ PATHS, render }) {
  for (const locale of Object.keys(TEXTS)) {
    const home = locale === 'en' ? '/' : `/${locale}/`
    for (const path of PATHS) {
      const { title, body } = render(path, locale)
      const [, kind, key = ''] = path.split('/')
      const html = { 'data-locale': locale, 'data-home': home, 'data-kind': kind || 'home', 'data-key': key }
      const head = documentOf({ html, title, locale, head: plainHead })
      await put(`${home.slice(1)}${path === '/' ? 'index' : path.slice(1)}.html`, `${head}<body>${body}</body>\n</html>\n`)
    }
  }
}

/** What stands together in large pictures, and on the ground of which line. */
const STILLS = {
  home: [['kitchen-17', 'garden-15', 'kitchen-10'], 'plain'],
  story: [['books-8', 'audio-12', 'garden-8'], 'deluxe'],
  welcome: [['toys-7', 'books-9', 'kitchen-11'], 'nordic'],
}

async function putPictures() {
  await put('pictures/mark.svg', MARK)
  for (const product of PRODUCTS) await put(`pictures/${product.id}.svg`, picture(product))
  const byCategory = Object.keys(TEXTS.en.categories).map((key) => {
    const [, , , , , , second, , , , third, , , , , first] = inCategory(key)
    return [key, [[first.id, second.id, third.id], 'copper']]
  })
  for (const [name, [ids, ground]] of [...Object.entries(STILLS), ...byCategory]) {
    await put(`pictures/still-${name}.svg`, still(ids.map(productOf), ground))
  }
}

await rm(at('dist'), { recursive: true, force: true })
await putPages(await renderer())
await putPictures()
await put('shop.css', await readFile(at('shop.css')))
await build({ ...options, entryPoints: [at('plain.js'), at('react.jsx')], outdir: at('dist') })
const server = `<script>conciergeServer = { server: 'http://127.0.0.1:8080', writeKey: 'WRITE_KEY' }</script>`
const shell = documentOf({
  title: TEXTS.en.tagline, locale: 'en', head: `${server}<script type="module" src="/react.js"></script>`,
})
await put('react/index.html', `${shell}<body><div id="root"></div></body>\n</html>\n`)
