// Changes beside a page that goes on with its own elements: what it removes, reuses, renders anew and sets itself.

import assert from 'node:assert/strict'
import { test } from 'node:test'

import { buildSync } from 'esbuild'

import { visitor } from '../clients/browser/support/browser.js'
import { SERVER, counted, define, events, eventually } from '../clients/browser/support/concierge.js'
import { browser, site } from '../clients/browser/support/stage.js'
import { tag } from './support/guide.js'
import { showing } from './support/showing.js'

const SCRIPT = buildSync({
  stdin: {
    contents: "import { openChanges } from './changes.ts'; window.changes = openChanges()",
    resolveDir: new URL('../../packages/sdk-browser/src', import.meta.url).pathname,
    loader: 'ts',
  },
  bundle: true, write: false, format: 'iife',
}).outputFiles[0].text

// Has a page with a body make changes, act, and give them back, and answers with what `look` says after each.
async function played(body, changes, act, look) {
  site.show('/changes.js', SCRIPT, 'text/javascript')
  const guest = await visitor(browser, [site.url])
  const html = `<!doctype html><link rel="icon" href="data:,"><body>${body}<script src="/changes.js"></script></body>`
  const page = await guest.open(site.show('/edits', html))
  await page.evaluate((made) => void changes.make(made), changes)
  const seen = [await page.evaluate(look)]
  await page.evaluate(act)
  seen.push(await page.evaluate(look))
  await page.evaluate(() => changes.revert())
  seen.push(await page.evaluate(look))
  await guest.leave()
  assert.deepEqual(guest.complaints, [])
  return seen
}

test('a framework goes on with the nodes of a button whose text is other', async () => {
  const act = () => {
    const button = document.querySelector('button')
    // These are what a framework does, and it throws where a node is not where it was put.
    button.removeChild(button.querySelector('b'))
    button.childNodes[1].data = 'Add'
    button.insertBefore(document.createTextNode('now'), null)
  }
  const seen = await played('<button><i>icon</i>Buy<b>!</b></button>',
    [{ kind: 'text', selector: 'button', value: 'Other' }], act, () => document.querySelector('button').innerText)
  assert.deepEqual(seen, ['Other', 'Other', 'iconAddnow'])
})

test('of two changes of one thing the first holds, and the page gets its own back', async () => {
  const act = () => (document.querySelector('h1').firstChild.data = 'Anew')
  const seen = await played('<h1 class="a">Original</h1>',
    [{ kind: 'text', selector: 'h1', value: 'First' }, { kind: 'text', selector: '.a', value: 'Second' },
      { kind: 'insert', selector: 'h1', where: 'end', html: '<i>!</i>' }],
    act, () => document.querySelector('h1').innerText)
  assert.deepEqual(seen, ['First!', 'First!', 'Anew'])
})

test('an element that the page uses for something else is left to it', async () => {
  const act = () => {
    const item = document.querySelector('div')
    item.dataset.sku = '6'
    item.firstChild.firstChild.data = '12'
  }
  const seen = await played('<div data-sku="5"><p class="price">10</p></div>',
    [{ kind: 'text', selector: '[data-sku="5"] .price', value: '8' }], act,
    () => document.querySelector('.price').innerText)
  assert.deepEqual(seen, ['8', '12', '12'])
})

test('the style of an element is given back as it was', async () => {
  const seen = await played('<p style="background-color: red">x</p>',
    [{ kind: 'style', selector: 'p', value: { background: 'gold' } }], () => undefined,
    () => document.querySelector('p').getAttribute('style'))
  assert.deepEqual(seen.slice(1), [seen[0], 'background-color: red;'])
})

test('what runs or loads is not touched, whatever a selector finds', async () => {
  const body = '<script class="x" type="text/plain">a</script><base class="x" href="/as-it-was/">'
  const seen = await played(body,
    [{ kind: 'text', selector: '.x', value: 'ran = 1' }, { kind: 'attribute', selector: '.x', name: 'href', value: '/b/' }],
    () => undefined, () => [document.querySelector('script').text, document.querySelector('base').getAttribute('href')])
  assert.deepEqual(seen[0], ['a', '/as-it-was/'])
})

test('a change that hides its own place from itself was applied, and one bad event holds up no other', async () => {
  const matches = { context: 'page.path', op: 'eq', value: '/unmatched' }
  await define('placements', 'unmatched_page', { state: 'live', match: matches })
  const changes = [{ kind: 'attribute', selector: 'a[href="/old"]', name: 'href', value: '/new' }]
  await define('experiences', 'unmatched_on', {
    state: 'live', placement: 'unmatched_page', variants: [{ key: 'on', content: { changes } }],
  })
  const guest = await visitor(browser, [site.url, SERVER])
  const head = '<!doctype html><title>Shop</title><link rel="icon" href="data:,">'
  const page = await guest.open('about:blank')
  const url = site.show('/unmatched', `${head}${tag()}<body><a href="/old">Go</a></body>`)
  await showing(page, url, async () => (await page.getAttribute('a', 'href')) === '/new')
  await page.evaluate(() => {
    const round = {}
    round.round = round
    concierge('track', 'Bad', { round })
    const properties = { at: 'first' }
    concierge('track', 'Good', properties)
    properties.at = 'later'
  })
  const id = await page.evaluate(() => localStorage.getItem('ajs_anonymous_id'))
  const told = await eventually('the outcome', async () => {
    const found = await events('anonymous_id', id)
    const counts = counted(found)
    return counts.Good && counts['Experience Viewed'] && found
  })
  assert.equal(counted(told)['Experience Applied'] >= 1, true)
  assert.deepEqual(told.find(({ name }) => name === 'Good').properties, { at: 'first' })
  await guest.leave()
  assert.deepEqual(guest.complaints, [])
})
