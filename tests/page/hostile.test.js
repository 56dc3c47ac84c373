// Whatever is wrong with the server, the page or the content, the page works as if nobody were there, and nothing runs.

import assert from 'node:assert/strict'
import { before, test } from 'node:test'

import { visitor } from '../clients/browser/support/browser.js'
import { SERVER, define } from '../clients/browser/support/concierge.js'
import { browser, site } from '../clients/browser/support/stage.js'
import { tag } from './support/guide.js'
import { showing } from './support/showing.js'
import { openSlowly } from './support/slow.js'

const BODY = '<section data-concierge="hostile_slot"><h1 data-field="title">Original</h1></section><div id="content">Original</div><div id="attacked"></div>'
const html = (head) => `<!doctype html><title>Shop</title><link rel="icon" href="data:,">${head}<body>${BODY}
  <script>window.page_works = [1, 2].map((x) => x * 2).join()</script></body>`

// Each would set `ran`. Gathered from what pages have been attacked with: handlers, addresses that run, elements that
// hold documents, markup that is read otherwise a second time.
const ATTACKS = [
  '<script>ran = 1</script>',
  '<img src=x onerror="ran = 1">',
  '<svg onload="ran = 1"><script>ran = 1</script></svg>',
  '<svg><a xlink:href="javascript:ran = 1"><text>x</text></a></svg>',
  '<a href="javascript:ran = 1" id="attack">x</a>',
  '<a href=" java\tscript:ran = 1" id="attack">x</a>',
  '<a href="&#1;javascript:ran = 1">x</a>',
  '<iframe srcdoc="<script>parent.ran = 1</script>"></iframe>',
  '<object data="javascript:ran = 1"></object>',
  '<embed src="javascript:ran = 1">',
  '<form action="javascript:ran = 1"><button id="attack">x</button></form>',
  '<button formaction="javascript:ran = 1" form="f">x</button>',
  '<math><mtext><table><mglyph><style><!--</style><img title="--&gt;&lt;img src=x onerror=ran=1&gt;"></table></math>',
  '<noscript><p title="</noscript><img src=x onerror=ran=1>"></noscript>',
  '<template><img src=x onerror="ran = 1"></template>',
  '<style>@import "javascript:ran = 1"; body { background: red }</style>',
  '<link rel="stylesheet" href="data:text/css,body{background:red}">',
  '<base href="https://evil.example/">',
  '<meta http-equiv="refresh" content="0;url=javascript:ran=1">',
  '<div style="background:url(javascript:ran=1)" onclick="ran = 1" id="attack">x</div>',
  '<details open ontoggle="ran = 1">x</details>',
  '<video src=x onerror="ran = 1"></video>',
  '<input autofocus onfocus="ran = 1">',
  '<p id="page_works" name="page_works">x</p>',
]

before(async () => {
  const matches = { context: 'page.path', op: 'in', value: ['/hostile', '/hostile/prototypes'] }
  await define('placements', 'hostile_slot', { state: 'live', match: matches })
  await define('placements', 'hostile_page', { state: 'live', match: matches })
  await define('experiences', 'hostile_slot_on', {
    state: 'live', placement: 'hostile_slot', variants: [{ key: 'on', content: { title: ATTACKS.join('') } }],
  })
  await define('experiences', 'hostile_page_on', {
    state: 'live', placement: 'hostile_page', variants: [{ key: 'on', content: { changes: [
      { kind: 'html', selector: '#content', html: '<b id="safe" class="safe">Safe</b>' },
      ...ATTACKS.map((html) => ({ kind: 'insert', selector: '#attacked', where: 'end', html })),
      { kind: 'attribute', selector: '#content', name: 'data-x', value: 'javascript:ran = 1' },
    ] } }],
  })
})

before(async () => {
  const matches = { context: 'page.path', op: 'eq', value: '/hostile/csp' }
  await define('placements', 'strict_page', { state: 'live', match: matches })
  await define('experiences', 'strict_page_on', {
    state: 'live', placement: 'strict_page', variants: [{ key: 'on', content: { changes: [
      { kind: 'text', selector: 'h1', value: 'Chosen' },
      { kind: 'html', selector: '#content', html: '<b class="safe">Safe</b>' },
      { kind: 'style', selector: '#content', value: { color: 'rgb(1, 2, 3)' } },
    ] } }],
  })
})

async function works(page) {
  assert.equal(await page.evaluate(() => window.page_works), '2,4')
  assert.equal(await page.evaluate(() => window.ran), undefined)
}

test('nothing that content brings runs', async () => {
  const guest = await visitor(browser, [site.url, SERVER])
  const page = await guest.open('about:blank')
  await showing(page, site.show('/hostile', html(tag())), () => page.$('.safe'))
  for (const attack of await page.$$('#attacked > *')) await attack.click({ timeout: 500 }).catch(() => undefined)
  await page.waitForTimeout(500)
  await works(page)
  const left = await page.evaluate(() => {
    const found = [...document.querySelectorAll('#content *, #attacked *')]
    return {
      elements: [...new Set(found.map((element) => element.localName))].sort(),
      attributes: [...new Set(found.flatMap((element) => element.getAttributeNames()))].sort(),
      color: getComputedStyle(document.body).backgroundColor,
    }
  })
  assert.deepEqual(left, {
    elements: ['a', 'b', 'button', 'details', 'div', 'img', 'p', 'video'],
    attributes: ['class', 'open', 'slot', 'src', 'title'],
    color: 'rgba(0, 0, 0, 0)',
  })
  assert.equal(await page.textContent('h1'), ATTACKS.join(''), 'a field is text')
  await guest.leave()
})

for (const [what, delays, answers] of [
  ['answers with faults', {}, { '*': 500 }],
  ['answers nothing but faults to decisions and events', {}, { '/v1/decide': 503, '/v1/batch': 503 }],
  ['takes three seconds for everything', { '*': 3000 }, {}],
]) {
  test(`a server that ${what} leaves the page as it is`, async (t) => {
    const slow = await openSlowly(SERVER, delays, answers)
    t.after(slow.close)
    const guest = await visitor(browser, [site.url, slow.url])
    const page = await guest.open(site.show('/hostile', html(tag(slow.url))), { waitUntil: 'domcontentloaded' })
    await page.waitForFunction(() => getComputedStyle(document.querySelector('h1')).visibility === 'visible')
    assert.ok(await page.evaluate(() => performance.now()) < 2500, 'the page does not wait')
    assert.equal(await page.textContent('h1'), 'Original')
    await page.waitForTimeout(800)
    await works(page)
    await guest.leave()
    // The browser says itself that a call failed; nothing else is said.
    assert.deepEqual(guest.complaints.filter((line) => !/status of 50/.test(line)), [])
  })
}

test('a script that is blocked, and a browser that is offline, leave the page as it is', async () => {
  const guest = await visitor(browser, [site.url, SERVER])
  const page = await guest.context.newPage()
  await page.route(`${SERVER}/**`, (route) => route.abort('blockedbyclient'))
  await page.goto(site.show('/hostile', html(tag())))
  await page.evaluate(() => concierge('track', 'Product Viewed'))
  await page.waitForFunction(() => getComputedStyle(document.querySelector('h1')).visibility === 'visible')
  assert.equal(await page.textContent('h1'), 'Original')
  await works(page)
  await guest.context.close()
  assert.deepEqual(guest.complaints.filter((line) => !/ERR_BLOCKED_BY_CLIENT/.test(line)), [])
})

test('a page that has overwritten what scripts rely on goes on as it is', async () => {
  const overwritten = `<script>
    Array.prototype.map = Array.prototype.concat = Object.entries = JSON.stringify = () => { throw new Error('mine') }
    window.MutationObserver = window.IntersectionObserver = undefined
    String.prototype.replace = () => 'x'
  </script>`
  const guest = await visitor(browser, [site.url, SERVER])
  const head = `${overwritten}${tag()}`
  const body = html(head).replace('[1, 2].map((x) => x * 2).join()', "'2,4'")
  const page = await guest.open(site.show('/hostile/prototypes', body))
  await page.waitForTimeout(1000)
  assert.equal(await page.evaluate(() => window.page_works), '2,4')
  assert.equal(await page.textContent('h1'), 'Original')
  await guest.leave()
  assert.deepEqual(guest.complaints, [])
})

test('under a strict content security policy everything works', async () => {
  const policy = `default-src 'none'; script-src 'nonce-n1' ${SERVER}; connect-src ${SERVER}; style-src 'none'; img-src data:; ` +
    "require-trusted-types-for 'script'; trusted-types concierge"
  const head = `<meta http-equiv="Content-Security-Policy" content="${policy}">${tag().replace('<script>', '<script nonce="n1">')}`
  const guest = await visitor(browser, [site.url, SERVER])
  const page = await guest.open('about:blank')
  await showing(page, site.show('/hostile/csp', html(head)), () => page.$('.safe'))
  assert.equal(await page.textContent('h1'), 'Chosen')
  assert.equal(await page.evaluate(() => getComputedStyle(document.getElementById('content')).color), 'rgb(1, 2, 3)')
  await guest.leave()
  // The page's own script has no nonce.
  assert.deepEqual(guest.complaints.filter((line) => !/inline script/.test(line)), [])
})
