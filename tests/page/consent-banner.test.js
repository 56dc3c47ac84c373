// The banner asks whoever has not answered, refuses as easily as it accepts, and can be used by everybody.

import assert from 'node:assert/strict'
import { test } from 'node:test'

import { SERVER, counted, events, eventually, person } from '../clients/browser/support/concierge.js'
import { accessible } from './support/axe.js'
import { REQUIRED, client, module, open } from './support/consent-page.js'
import { code, tag } from './support/guide.js'

// The guide that users follow, followed.
const step = (heading) => code(heading, 'html', 'consent-banner')[0].replaceAll('http://127.0.0.1:8080', SERVER)
const PUT = step('1. Put it on your pages')
const LINK = step('2. Let visitors change their mind').replace('<a ', '<a id="link" ')
const BANNER = module('consent-banner')
const STYLE = '<style>#link { line-height: 3 } #before { padding: 1em }</style>'
const BODY = `<main><h1>Shop</h1><button id="before">Look around</button></main><footer>${LINK}</footer>`
const options = (value) => `<script>conciergeBanner = ${JSON.stringify(value)}</script>`

const all = (granted) => ({
  analytics: granted, personalization: granted, marketing: granted, advertising: granted,
})

async function start(path, { head = PUT + tag() + STYLE, body = BODY, ...others } = {}) {
  const opened = await open(path, { head, body, ...others })
  const { page } = opened
  return {
    ...opened,
    question: page.getByRole('region', { name: 'Your privacy' }),
    centre: page.getByRole('dialog', { name: 'Privacy settings' }),
    press: (name) => page.getByRole('region', { name: 'Your privacy' }).getByRole('button', { name }).click(),
  }
}

const unheard = ({ globalPrivacyControl, doNotTrack }) => `
  ${globalPrivacyControl ? "Object.defineProperty(navigator, 'globalPrivacyControl', { value: true })" : ''}
  ${doNotTrack ? "Object.defineProperty(navigator, 'doNotTrack', { value: '1' })" : ''}`

// Axe tells contrast only of what is in the body, and knows nothing of what a dialogue lies on top of.
const intoBody = (page) => page.evaluate(() => document.body.prepend(document.querySelector('concierge-consent')))
async function judgeCentre(page) {
  await page.evaluate(() => (document.querySelector('concierge-consent').shadowRoot.querySelector('section').hidden = true))
  await accessible(page, 'concierge-consent')
}

test('nothing is kept or sent before an answer, and all that was done before it goes after acceptance', async () => {
  const { guest, page, posts, kept, known, question, press } = await start('/banner/accept')
  await question.waitFor()
  await page.evaluate(() => concierge('track', 'Product Viewed', { product_id: 'a1' }))
  await page.waitForTimeout(1500)
  assert.deepEqual([posts(), await kept()], [[], ['']])

  await press('Accept all')
  await question.waitFor({ state: 'hidden' })
  const id = await known()
  const found = await eventually('what was done before', async () => {
    const counts = counted(await events('anonymous_id', id))
    return counts['Product Viewed'] && counts
  })
  assert.equal(found['Page Viewed'], 1)
  await eventually('the answer', async () => {
    const { consents } = await person('anonymous_id', id)
    return Object.keys(all(true)).every((purpose) => consents[purpose]?.granted)
  })
  await page.reload()
  await page.waitForFunction(() => window.concierge?.r && window.conciergeBanner?.ask)
  assert.equal(await question.count(), 0)
  await guest.leave()
  assert.deepEqual(guest.complaints, [])
})

test('a refusal is one click, leaves nothing but itself, and nobody is asked again', async () => {
  const { guest, page, posts, kept, answer, question, press } = await start('/banner/refuse')
  await question.waitFor()
  await page.evaluate(() => concierge('track', 'Product Viewed'))
  await press('Refuse all')
  await question.waitFor({ state: 'hidden' })
  await page.evaluate(() => concierge('track', 'Product Viewed'))
  await page.waitForTimeout(1500)
  assert.deepEqual([posts(), await kept()], [[], ['concierge_consent', 'concierge_consent']])
  await page.reload()
  await page.waitForFunction(() => window.concierge?.r && window.conciergeBanner?.ask)
  assert.equal(await question.count(), 0)
  assert.deepEqual([posts(), await answer()], [[], all(false)])
  await guest.leave()
})

test('refusing and accepting look alike', async () => {
  const { guest, question } = await start('/banner/alike')
  const looks = (name) => question.getByRole('button', { name }).evaluate((button) => {
    const style = getComputedStyle(button)
    const { width, height } = button.getBoundingClientRect()
    const same = ['color', 'backgroundColor', 'fontSize', 'fontWeight', 'borderTopColor', 'borderTopWidth']
    return [Math.round(width), Math.round(height), ...same.map((name) => style[name])]
  })
  await question.waitFor()
  assert.deepEqual(await looks('Refuse all'), await looks('Accept all'))
  await guest.leave()
})

test('what is chosen by purpose reaches the server', async () => {
  const { guest, known, answer, centre, question, press } = await start('/banner/choose')
  await press('Choose')
  for (const name of await centre.getByRole('switch').all()) assert.equal(await name.isChecked(), false)
  await centre.getByRole('switch', { name: 'Personalisation' }).check()
  await centre.getByRole('button', { name: 'Save choices' }).click()
  await centre.waitFor({ state: 'hidden' })
  assert.equal(await question.isVisible(), false)
  const chosen = { ...all(false), personalization: true }
  assert.deepEqual(await answer(), chosen)
  const id = await known()
  await eventually('the choice', async () => {
    const consents = (await person('anonymous_id', id))?.consents ?? {}
    return Object.entries(chosen).every(([purpose, granted]) => consents[purpose]?.granted === granted)
  })
  await guest.leave()
})

test('who changes their mind finds what they answered, and is back where they were after', async () => {
  const { guest, page, answer, centre, question, press } = await start('/banner/again')
  await press('Accept all')
  await question.waitFor({ state: 'hidden' })
  await page.locator('#link').click()
  await centre.waitFor()
  assert.equal(page.url().endsWith('/banner/again'), true)
  for (const name of ['Statistics', 'Personalisation', 'Messages', 'Advertising']) {
    assert.equal(await centre.getByRole('switch', { name }).isChecked(), true, name)
  }
  await centre.getByRole('switch', { name: 'Advertising' }).uncheck()
  await centre.getByRole('button', { name: 'Save choices' }).click()
  await centre.waitFor({ state: 'hidden' })
  assert.equal(await page.evaluate(() => document.activeElement.id), 'link')
  assert.deepEqual(await answer(), { ...all(true), advertising: false })

  // What is not saved is not said.
  await page.locator('#link').click()
  await centre.getByRole('switch', { name: 'Statistics' }).uncheck()
  await centre.getByRole('button', { name: 'Close' }).click()
  assert.equal((await answer()).analytics, true)
  await guest.leave()
})

test('everything can be done by keyboard, and the focus comes back', async () => {
  const { guest, page, answer, centre, question } = await start('/banner/keys')
  await question.waitFor()
  // The banner takes the focus from nobody.
  assert.equal(await page.evaluate(() => document.activeElement.tagName), 'BODY')
  await page.locator('#before').focus()
  const focused = () => page.evaluate(() => {
    const { activeElement } = document
    return (activeElement.shadowRoot?.activeElement ?? activeElement).textContent
  })
  const keys = async (...names) => {
    for (const name of names) await page.keyboard.press(name)
  }
  await keys('Shift+Tab')
  assert.equal(await focused(), 'Choose')
  await keys('Enter')
  await centre.waitFor()
  assert.equal(await focused(), 'Privacy settings')
  await keys('Escape')
  await centre.waitFor({ state: 'hidden' })
  assert.deepEqual([await focused(), await question.isVisible()], ['Choose', true])

  await keys('Enter', 'Tab', 'Tab', 'Space')
  assert.equal(await centre.getByRole('switch', { name: 'Statistics' }).isChecked(), true)
  // What is behind the dialogue is out of reach.
  for (let steps = 0; steps < 20; steps += 1) {
    await keys('Tab')
    assert.notEqual(await focused(), 'Look around')
  }
  await centre.getByRole('button', { name: 'Save choices' }).focus()
  await keys('Enter')
  await centre.waitFor({ state: 'hidden' })
  assert.deepEqual(await answer(), { ...all(false), analytics: true })
  assert.equal(await focused(), 'Look around')
  await guest.leave()
})

test('a browser that says no is not asked on top, and what it refuses cannot be agreed to', async () => {
  for (const [at, signal] of [{ globalPrivacyControl: true }, { doNotTrack: true }].entries()) {
    const prepare = unheard(signal)
    const { guest, page, loaded, posts, kept, answer, centre, question } = await start(`/banner/signal/${at}`, { prepare })
    await loaded()
    await page.waitForFunction(() => window.conciergeBanner?.ask)
    await page.waitForTimeout(500)
    assert.deepEqual([await question.count(), posts(), await kept()], [0, [], ['']])
    await page.locator('#link').click()
    const advertising = centre.getByRole('switch', { name: 'Advertising' })
    assert.equal(await advertising.isDisabled(), true)
    await centre.getByText('Your browser asks sites not to do this.').waitFor()
    await accessible(page)
    await centre.getByRole('button', { name: 'Accept all' }).click()
    assert.deepEqual(await answer(), { ...all(true), advertising: false })
    await guest.leave()
  }
})

test('what is asked, and in which words, is up to the site', async () => {
  const purposes = ['analytics', { key: 'research', assumed: true }]
  const research = { name: 'Research', description: 'To find out what people need.' }
  const texts = { en: { title: 'Before you go on', purposes: { research } } }
  const head = options({ purposes, texts, policy: '/privacy' }) + client() + BANNER
  // Whoever was asked about less is asked about the rest.
  const prepare = 'localStorage.concierge_consent ??= JSON.stringify({ analytics: true })'
  const { guest, page, answer, centre } = await start('/banner/own', { head, prepare })
  const question = page.getByRole('region', { name: 'Before you go on' })
  assert.equal(await question.getByRole('link', { name: 'Privacy policy' }).getAttribute('href'), '/privacy')
  await question.getByRole('button', { name: 'Choose' }).click()
  const switches = centre.getByRole('switch')
  assert.deepEqual([await switches.count(), await switches.nth(0).isChecked(), await switches.nth(1).isChecked()], [2, true, true])
  await centre.getByText(research.description).waitFor()
  await centre.getByRole('button', { name: 'Refuse all' }).click()
  assert.deepEqual(await answer(), { analytics: false, research: false })
  await guest.leave()
})

test('it speaks the language of the page, else of the browser, else English', async () => {
  const said = async (path, language, locale) => {
    const { guest, page } = await start(path, { language, options: { locale } })
    const question = page.locator('concierge-consent section')
    await question.waitFor()
    const found = [await question.getAttribute('lang'), await question.getAttribute('dir')]
    await guest.leave()
    return found
  }
  assert.deepEqual(await said('/banner/l1', 'de-AT', 'sv-SE'), ['de', 'ltr'])
  assert.deepEqual(await said('/banner/l2', 'fi', 'fr-CA'), ['fr', 'ltr'])
  assert.deepEqual(await said('/banner/l3', 'fi', 'fi-FI'), ['en', 'ltr'])
  assert.deepEqual(await said('/banner/l4', 'ar', 'sv-SE'), ['ar', 'rtl'])
})

test('an answer in one tab is an answer in the other', async () => {
  const { guest, url, question, press } = await start('/banner/tabs')
  await question.waitFor()
  const other = await guest.open(url)
  const asked = other.getByRole('region', { name: 'Your privacy' })
  await asked.waitFor()
  await press('Refuse all')
  await asked.waitFor({ state: 'hidden' })
  await guest.leave()
})

test('it asks whether it comes before the client, after it, or without a snippet', async () => {
  const script = (path) => `<script src="${path}"></script>`
  const key = /src="([^"]+)"/.exec(tag())[1]
  const heads = {
    before: REQUIRED + script(`${SERVER}/sdk/modules/consent-banner.js`) + tag(),
    after: REQUIRED + tag().replace('async ', '') + script(`${SERVER}/sdk/modules/consent-banner.js`),
    alone: REQUIRED + script(`${SERVER}/sdk/modules/consent-banner.js`) + script(key),
    twice: client() + BANNER + BANNER,
  }
  for (const [name, head] of Object.entries(heads)) {
    const { guest, question, answer, press } = await start(`/banner/order/${name}`, { head })
    await question.waitFor()
    assert.equal(await question.count(), 1, name)
    await press('Accept all')
    assert.deepEqual(await answer(), all(true), name)
    await guest.leave()
    assert.deepEqual(guest.complaints, [], name)
  }
})

test('a strict policy lets it be as it is', async () => {
  const policy = `default-src 'none'; script-src 'nonce-a' ${SERVER}; connect-src ${SERVER}; img-src data:;
    require-trusted-types-for 'script'; trusted-types concierge`
  const head = `<meta http-equiv="content-security-policy" content="${policy}">${client()}${BANNER}`
    .replaceAll('<script>', '<script nonce="a">')
  const { guest, page, centre, question, press } = await start('/banner/policy', { head })
  await question.waitFor()
  assert.equal(await question.evaluate((section) => getComputedStyle(section).position), 'fixed')
  await intoBody(page)
  await press('Choose')
  await centre.waitFor()
  await judgeCentre(page)
  await centre.getByRole('button', { name: 'Accept all' }).click()
  await guest.leave()
  assert.deepEqual(guest.complaints, [])
})

test('nothing moves when it comes and goes, and it covers nothing that has the focus', async () => {
  const links = Array.from({ length: 60 }, (_, at) => `<p><a href="#" id="l${at}">Thing ${at}</a></p>`).join('')
  const watch = `<script>
    shifts = 0
    new PerformanceObserver((list) => list.getEntries().forEach((one) => (shifts += one.value)))
      .observe({ type: 'layout-shift', buffered: true })
  </script>`
  const body = `<main><h1>Shop</h1>${links}</main>`
  const { guest, page, question, press } = await start('/banner/still', { head: watch + client() + BANNER, body })
  await question.waitFor()
  await page.locator('#l0').focus()
  for (let at = 1; at < 40; at += 1) {
    await page.keyboard.press('Tab')
    const isClear = await page.evaluate(() => {
      const focused = document.activeElement.getBoundingClientRect()
      const banner = document.querySelector('concierge-consent').shadowRoot.querySelector('section')
      return focused.bottom <= banner.getBoundingClientRect().top
    })
    assert.ok(isClear, `link ${at}`)
  }
  await press('Refuse all')
  await question.waitFor({ state: 'hidden' })
  // Shifts are told of after the frame that has them.
  await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => setTimeout(done))))
  assert.equal(await page.evaluate(() => shifts), 0)
  // Changes find elements by their place among others, too.
  assert.equal(await page.evaluate(() => document.body.firstElementChild.tagName), 'MAIN')
  await guest.leave()
})

test('styles of the page do not reach it, and nobody prints it', async () => {
  const styles = `<style>
    * { position: static !important; color: red !important; margin: 50px !important; letter-spacing: 9px }
    html > :nth-child(2) { width: 10px; overflow: hidden } button { display: none } section { opacity: 0 }
  </style>`
  const { guest, page, question, press } = await start('/banner/styles', { head: client() + BANNER + styles })
  await question.waitFor()
  const button = question.getByRole('button', { name: 'Accept all' })
  const style = await button.evaluate((button) => {
    const { letterSpacing, marginTop } = getComputedStyle(button)
    return [letterSpacing, marginTop, getComputedStyle(button.closest('section')).position]
  })
  assert.deepEqual(style, ['normal', '0px', 'fixed'])
  // Where the visitor's own colours are forced on it, text gets a ground of its own, whatever the button's is.
  await page.emulateMedia({ forcedColors: 'active' })
  const colors = await button.evaluate((button) => [getComputedStyle(button).color, getComputedStyle(button).backgroundColor])
  assert.deepEqual(colors, ['rgb(0, 0, 0)', 'rgb(255, 255, 255)'])
  await page.emulateMedia({ media: 'print', forcedColors: 'none' })
  assert.equal(await question.isVisible(), false)
  await page.emulateMedia({ media: 'screen' })
  await press('Accept all')
  await guest.leave()
})

test('axe finds nothing, in either direction, in light and dark, large and small', async () => {
  const sizes = { wide: { width: 1280, height: 800 }, phone: { width: 390, height: 844 }, tiny: { width: 320, height: 480 } }
  for (const [language, colorScheme, size] of [['en', 'light', 'wide'], ['ar', 'dark', 'phone'], ['de', 'dark', 'tiny']]) {
    const head = `<meta name="color-scheme" content="light dark">${options({ policy: '/privacy' })}${client()}${BANNER}${STYLE}`
    const { guest, page } = await start(`/banner/axe/${language}`, {
      head, language, options: { colorScheme, viewport: sizes[size] },
    })
    const question = page.locator('concierge-consent section')
    await question.waitFor()
    // Of the whole page once, which axe takes for light.
    if (colorScheme === 'light') await accessible(page)
    await intoBody(page)
    await accessible(page, 'concierge-consent')
    await question.getByRole('button').nth(2).click()
    await page.locator('concierge-consent dialog').waitFor()
    await page.getByRole('switch').nth(1).check()
    await judgeCentre(page)
    const isWide = await page.evaluate(() => {
      const dialog = document.querySelector('concierge-consent').shadowRoot.querySelector('dialog')
      return dialog.clientWidth < dialog.scrollWidth || innerWidth < document.documentElement.scrollWidth
    })
    assert.equal(isWide, false, `${language} has to be scrolled sideways`)
    await guest.leave()
    assert.deepEqual(guest.complaints, [])
  }
})
