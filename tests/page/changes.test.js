// Every kind of change is made, seen and reported once, taken back on another route and made again, on pages without a
// framework and on pages that are rendered anew all the time.
// Started through tests/harness/concierge_server.py, which says where the server is.

import assert from 'node:assert/strict'
import { test } from 'node:test'

import { visitor } from '../clients/browser/support/browser.js'
import { SERVER, define, events, eventually } from '../clients/browser/support/concierge.js'
import { browser, site } from '../clients/browser/support/stage.js'
import { tag } from './support/guide.js'
import { showing } from './support/showing.js'
import { CHANGED, CHANGES, KINDS, seen, showPage } from './support/stage-page.js'

const components = (page) => page.locator('[data-concierge-component]').count()
const device = (page) => page.evaluate(() => localStorage.getItem('ajs_anonymous_id'))

for (const kind of KINDS) {
  test(`${kind}: every kind of change is made, reported, taken back and made again`, async () => {
    const path = `/${kind}/changes`
    const matches = { context: 'page.path', op: 'eq', value: path }
    await define('placements', `${kind}_page`, { state: 'live', match: matches })
    await define('experiences', `${kind}_changes`, {
      state: 'live', placement: `${kind}_page`, variants: [{ key: 'on', content: { changes: CHANGES, component: { kind: 'slide_in', title: 'Hello' } } }],
    })
    const bare = showPage(kind, `${path}/bare`, '')
    const url = showPage(kind, path, tag())
    const guest = await visitor(browser, [site.url, SERVER])
    const page = await guest.open(bare)
    await page.waitForSelector('#title')
    const original = kind === 'plain' && await page.evaluate(() => document.getElementById('app').outerHTML)
    const changed = () => page.evaluate(seen)
    await showing(page, url, () => page.evaluate(() => document.getElementById('title')?.innerText === 'Changed'))
    // Whenever somebody looks, however often the page has rendered meanwhile.
    for (let look = 0; look < 40; look += 1) {
      assert.deepEqual(await changed(), CHANGED, `look ${look}`)
      assert.equal(await components(page), 1)
      await page.evaluate(() => new Promise((painted) => requestAnimationFrame(painted)))
    }
    const id = await device(page)
    await page.waitForTimeout(1500)
    await page.click('#away')
    await eventually('the route is left', async () => (await changed()).title !== 'Changed')
    assert.equal(await components(page), 0)
    const after = await changed()
    assert.deepEqual([after.classes, after.picture, after.list, after.added],
      [['cold'], ['/a.png', 'A'], ['first', 'second'], []])
    if (original) {
      assert.equal(await page.evaluate(() => document.getElementById('app').outerHTML), original, 'exactly')
    }
    await page.goBack()
    await eventually('the changes again', async () => (await changed()).title === 'Changed')
    assert.deepEqual(await changed(), CHANGED)
    assert.equal(await components(page), 1)

    const told = await eventually('the outcomes', async () => {
      const found = (await events('anonymous_id', id)).filter(({ name }) => name.startsWith('Experience '))
      const count = (name) => found.filter((event) => event.name === name).length
      return count('Experience Applied') >= 2 && count('Experience Viewed') >= 1 && found
    })
    for (const { properties } of told) {
      assert.equal(properties.experience, `${kind}_changes`)
      assert.equal(properties.variant, 'on')
      assert.ok(properties.token)
    }
    await guest.leave()
    assert.deepEqual(guest.complaints.filter((line) => !line.includes('404')), [])
  })
}
