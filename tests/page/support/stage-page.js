// The page that experiences change, written three times: plain, with React and with Vue. Elements have the same ids in
// each. On those of the frameworks everything is rendered anew every 50 ms: texts and classes change, one element is
// replaced, and one has other children each time.

import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'

import { buildSync } from 'esbuild'

import { site } from '../../clients/browser/support/stage.js'

const STYLE = '<style>.box{height:40px}.cold{color:blue}.warm{color:red}img{width:20px;height:20px}</style>'

const PLAIN = `<main id="app">
  <h1 id="title">Round and round</h1>
  <div id="content"><i>As it was</i> here</div>
  <a id="link" href="/as-it-was">Link</a>
  <div id="box" class="box cold">Box</div>
  <img id="picture" src="/a.png" alt="A">
  <ul id="list"><li id="first">First</li><li id="second">Second</li></ul>
  <p id="tail">Tail</p>
  <p id="gone">Gone</p>
  <button id="away">Away</button>
</main>
<script>
  document.getElementById('away').onclick = () => history.pushState({}, '', '/elsewhere')
</script>`

const bundle = () =>
  buildSync({
    entryPoints: [new URL('react-page.jsx', import.meta.url).pathname],
    bundle: true, minify: true, write: false, jsx: 'automatic',
    define: { 'process.env.NODE_ENV': '"production"' },
  }).outputFiles[0].text

const BODIES = {
  plain: () => PLAIN,
  react() {
    site.show('/react.js', bundle(), 'text/javascript')
    return '<div id="root"></div><script src="/react.js"></script>'
  },
  vue() {
    const file = createRequire(import.meta.url).resolve('vue/dist/vue.global.prod.js')
    site.show('/vue.js', readFileSync(file, 'utf8'), 'text/javascript')
    site.show('/vue-page.js', readFileSync(new URL('vue-page.js', import.meta.url), 'utf8'), 'text/javascript')
    return '<div id="root"></div><script src="/vue.js"></script><script src="/vue-page.js"></script>'
  },
}

export const KINDS = Object.keys(BODIES)

// Puts a page under a path, with something in its head.
export const showPage = (kind, path, head) =>
  site.show(path, `<!doctype html><html lang="en"><title>Shop</title><link rel="icon" href="data:,">
    ${STYLE}${head}<body>${BODIES[kind]()}</body></html>`)

// One change of each kind.
export const CHANGES = [
  { kind: 'text', selector: '#title', value: 'Changed' },
  { kind: 'html', selector: '#content', html: '<b>Other</b> content' },
  { kind: 'attribute', selector: '#missing', fallbacks: ['#link'], name: 'href', value: '/changed' },
  { kind: 'class', selector: '#box', add: ['warm'], remove: ['cold'] },
  { kind: 'style', selector: '#box', value: { 'background-color': 'rgb(1, 2, 3)' } },
  { kind: 'image', selector: '#picture', src: '/b.png', alt: 'B' },
  { kind: 'move', selector: '#second', where: 'before', target: '#first' },
  { kind: 'insert', selector: '#tail', where: 'after', html: '<p class="added">Added</p>' },
  { kind: 'hide', selector: '#gone' },
]

// What a visitor sees of it; runs in the page.
export function seen() {
  const of = (selector) => document.querySelector(selector)
  const box = of('#box')
  return {
    title: of('#title').innerText,
    content: of('#content').innerText,
    link: of('#link').getAttribute('href'),
    classes: ['warm', 'cold'].filter((name) => box.classList.contains(name)),
    background: getComputedStyle(box).backgroundColor,
    picture: [of('#picture').getAttribute('src'), of('#picture').alt],
    list: [...of('#list').children].map((item) => item.id),
    added: [...document.querySelectorAll('.added')].map((item) => item.previousElementSibling.id),
    gone: getComputedStyle(of('#gone')).display,
  }
}

export const CHANGED = {
  title: 'Changed',
  content: 'Other content',
  link: '/changed',
  classes: ['warm'],
  background: 'rgb(1, 2, 3)',
  picture: ['/b.png', 'B'],
  list: ['second', 'first'],
  added: ['tail'],
  gone: 'none',
}
