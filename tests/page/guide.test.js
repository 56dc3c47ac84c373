// The guide, followed step by step on a page of one's own.

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { test } from 'node:test'

import { visitor } from '../clients/browser/support/browser.js'
import { SERVER, counted, environment, events, eventually } from '../clients/browser/support/concierge.js'
import { browser, site } from '../clients/browser/support/stage.js'
import { code, tag } from './support/guide.js'
import { showing } from './support/showing.js'

const LAST = '5. See what came of it'
const STEPS = ['2. Say where something can be shown', '3. Show something to somebody', '4. Change what is not marked']

test('ten minutes after the beginning a page shows what was decided, and says what came of it', async () => {
  const settings = { ...process.env, URL: SERVER, CONCIERGE_TOKEN: environment('CONCIERGE_TOKEN') }
  const run = (script) => execFileSync('bash', ['-euo', 'pipefail', '-c', script], { env: settings, encoding: 'utf8' })
  for (const script of STEPS.flatMap((step) => code(step, 'sh'))) assert.doesNotMatch(run(script), /"detail"/)

  const [slot] = code(STEPS[0], 'html')
  const html = `<!doctype html><title>Mine</title><link rel="icon" href="data:,">${tag()}
    <body>${slot}<footer><p id="offer">Shipping 5 EUR</p></footer></body>`
  const url = site.show('/', html)
  const seen = new Set()
  for (let number = 0; seen.size < 2; number += 1) {
    assert.ok(number < 20, 'both variants are drawn')
    const guest = await visitor(browser, [site.url, SERVER])
    const page = await guest.open(url)
    const id = await eventually('a visitor', () => page.evaluate(() => localStorage.getItem('ajs_anonymous_id')))
    const offer = () => page.textContent('footer p')
    await showing(page, url, async () => (await offer()) === 'Free shipping until Sunday')
    const told = () => events('anonymous_id', id)
    await eventually('two page views', async () => counted(await told())['Page Viewed'] >= 2)
    await showing(page, url, async () => (await offer()) === 'Free shipping until Sunday')
    assert.equal(await page.evaluate(() => getComputedStyle(document.querySelector('footer p')).backgroundColor),
      'rgb(255, 215, 0)')
    const ours = ({ name, properties }) => name === 'Experience Viewed' && properties.experience === 'welcome_back'
    const viewed = await eventually('the outcome', async () => (await told()).find(ours))
    const { variant } = viewed.properties
    seen.add(variant)
    const expected = { as_it_was: ['Things that last', '/all'], warm: ['Good to see you again', '/new'] }[variant]
    assert.deepEqual([await page.textContent('h1'), await page.getAttribute('a', 'href')], expected)
    await guest.leave()
    assert.deepEqual(guest.complaints, [])
  }
  const { variants } = JSON.parse(run(code(LAST, 'sh')[0]))
  assert.ok(variants[0].applied >= 2, JSON.stringify(variants))
})
