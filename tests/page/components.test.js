// Ready-made components: each shape and part is shown when it should, does what it says, tells what came of it, and can
// be used by keyboard and by those who do not see it.

import assert from 'node:assert/strict'
import { test } from 'node:test'

import { visitor } from '../clients/browser/support/browser.js'
import { SERVER, decisions, events, eventually, person } from '../clients/browser/support/concierge.js'
import { browser, site } from '../clients/browser/support/stage.js'
import { accessible } from './support/axe.js'
import { device, root, shown, shows, stage, told } from './support/stage-component.js'

test('a pop-up comes when somebody is about to leave, and to the control not at all', async () => {
  const url = await stage('exit_offer', {
    trigger: { on: 'exit' }, control: 'none',
    variants: [{ key: 'none', content: null }, { key: 'coupon', content: { component: {
      kind: 'popup', title: 'Before you go', text: 'Ten per cent off <b>today</b>', coupon: 'STAY10', why: true,
      countdown: '2099-01-01T00:00:00Z', button: { text: 'To the cart', link: '/cart' },
    } } }],
  })
  const variants = new Set()
  for (let number = 0; variants.size < 2; number += 1) {
    assert.ok(number < 20, 'both variants are drawn')
    const guest = await visitor(browser, [site.url, SERVER], { permissions: ['clipboard-write', 'clipboard-read'] })
    const page = await guest.open(url)
    const id = await eventually('a visitor', () => device(page))
    const [{ variant }] = await eventually('the decision', async () => {
      const found = await person('anonymous_id', id) && await decisions('anonymous_id', id)
      return found?.length && found
    })
    assert.equal((await events('anonymous_id', id)).some(({ name }) => name.startsWith('Experience ')), false)
    // The decision may be on its way to the page still.
    const leave = () => page.evaluate(() => document.documentElement.dispatchEvent(
      new MouseEvent('mouseout', { bubbles: true, clientY: -1, relatedTarget: null })))
    await eventually('it has been told', async () => {
      await leave()
      return (await events('anonymous_id', id)).some(({ name }) => name === 'Experience Applied')
    })
    const [applied] = await told(page, 'Experience Applied')
    assert.deepEqual([applied.variant, !!applied.token], [variant, true])
    assert.equal(await page.locator(root).count(), variant === 'coupon' ? 1 : 0)
    if (variant === 'coupon' && !variants.has(variant)) await useCoupon(page)
    await told(page, 'Experience Viewed')
    variants.add(variant)
    await guest.leave()
    assert.deepEqual(guest.complaints, [])
  }
})

async function useCoupon(page) {
  assert.match(await page.textContent(root), /Ten per cent off <b>today<\/b>/)
  assert.equal(await page.evaluate(() => document.activeElement.closest('dialog') !== null), true)
  assert.match(await page.textContent('time'), /^\d{6,}:\d\d:\d\d$/)
  const before = await page.textContent('time')
  await eventually('the clock goes', async () => (await page.textContent('time')) !== before)
  await accessible(page)
  await page.click('[data-do=copy]')
  await eventually('it is copied', async () => (await page.textContent('[data-do=copy]')) === 'Copied')
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), 'STAY10')
  await told(page, 'Coupon Copied')
  await page.keyboard.press('Escape')
  await page.waitForSelector(root, { state: 'hidden' })
  const [dismissed] = await told(page, 'Experience Dismissed')
  assert.equal(dismissed.experience, 'exit_offer_on')
}

for (const [name, trigger, act] of [
  ['scrolled', { on: 'scroll', percent: 60 }, (page) => page.evaluate(() => scrollTo(0, 2_000))],
  ['idle', { on: 'idle', after: '1s' }, () => undefined],
  ['delayed', { on: 'delay', after: '1s' }, () => undefined],
]) {
  test(`what waits comes with its trigger: ${name}`, async () => {
    const url = await stage(`when_${name}`, { trigger, variants: shows({ kind: 'slide_in', title: 'Hello', text: 'You' }) })
    const guest = await visitor(browser, [site.url, SERVER])
    const page = await guest.open(url)
    const asked = await eventually('the decision', () => guest.asked.find((one) => one.url().endsWith('/v1/decide')))
    await asked.response()
    if (name === 'scrolled') {
      await page.waitForTimeout(300)
      assert.equal(await page.locator(root).count(), 0)
    }
    await act(page)
    await page.waitForSelector(root)
    await told(page, 'Experience Viewed')
    assert.deepEqual(await page.evaluate(() => shifts), [])
    await accessible(page)
    await page.click('[data-do=close]')
    await page.waitForSelector(root, { state: 'hidden' })
    await guest.leave()
    assert.deepEqual(guest.complaints, [])
  })
}

test('what lies over the page is shown however late it comes, to every variant alike', async () => {
  const url = await stage('late', {
    control: 'none', variants: [{ key: 'none', content: null },
      { key: 'on', content: { component: { kind: 'slide_in', title: 'News', text: 'There is something new' } } }],
  })
  const variants = new Set()
  for (let number = 0; variants.size < 2; number += 1) {
    assert.ok(number < 20, 'both variants are drawn')
    const guest = await visitor(browser, [site.url, SERVER])
    await guest.context.route('**/v1/decide', async (route) => {
      await new Promise((over) => setTimeout(over, 700))
      await route.continue()
    })
    const page = await guest.open(url)
    const [{ variant }] = await told(page, 'Experience Applied')
    await told(page, 'Experience Viewed')
    assert.equal(await page.locator(root).count(), variant === 'on' ? 1 : 0)
    variants.add(variant)
    await guest.leave()
    assert.deepEqual(guest.complaints, [])
  }
})

test('answers become traits of the visitor, and a rating is joined to what was rated', async () => {
  const survey = { questions: [
    { ask: 'Who is it for?', trait: 'shops_for', answers: [{ text: 'Me', value: 'self' }, { text: 'A gift', value: 'gift' }] },
    { ask: 'How often do you run?', trait: 'runs_weekly', answers: [{ text: 'Never', value: 0 }, { text: 'Twice', value: 2 }] },
  ], thanks: 'We will think of that' }
  const url = await stage('quiz', { variants: shows({ kind: 'slide_in', title: 'Two questions', survey }) })
  const guest = await visitor(browser, [site.url, SERVER])
  const page = await guest.open(url)
  await shown(page, url)
  await accessible(page)
  await page.keyboard.press('Tab')
  await page.click('text=A gift')
  assert.equal(await page.evaluate(() => document.activeElement.getAttribute('aria-label')), 'How often do you run?')
  await page.keyboard.press('Tab')
  await page.keyboard.press('Tab')
  await page.keyboard.press('Enter')
  await page.waitForSelector('text=We will think of that')
  const id = await device(page)
  const known = await eventually('the traits', async () => {
    const { traits } = await person('anonymous_id', id)
    return traits.runs_weekly && traits
  })
  assert.deepEqual([known.shops_for, known.runs_weekly].map((one) => one.value ?? one), ['gift', 2])
  const [answered] = await told(page, 'Survey Answered')
  assert.deepEqual([answered.shops_for, answered.runs_weekly, answered.experience], ['gift', 2, 'quiz_on'])

  const rated = await stage('rated', { variants: shows({ kind: 'banner', title: 'And?', rating: 'How useful is this?' }) })
  await shown(page, rated)
  await accessible(page)
  await page.click('[aria-label="4: Good"]')
  const [rating] = await told(page, 'Experience Rated')
  assert.deepEqual([rating.rating, rating.variant, !!rating.token], [4, 'on', true])
  await guest.leave()
  assert.deepEqual(guest.complaints, [])
})

test('a quiz comes to an outcome, and what is written is taken in as it is', async () => {
  const survey = {
    questions: [
      { ask: 'Where do you run?', answers: [
        { text: 'In the forest', points: { trail: 2 } }, { text: 'In town', points: { road: 2 } }] },
      { ask: 'What matters?', trait: 'runs_for', answers: [
        { text: 'Grip', value: 'grip', points: { trail: 1 } }, { text: 'Speed', value: 'speed', points: { road: 1 } }] },
      { ask: 'Anything else?', trait: 'runs_note', written: 40 },
    ],
    outcomes: { trait: 'shoe', of: [
      { value: 'road', text: 'A light shoe' },
      { value: 'trail', text: 'A shoe with grip', button: { text: 'See them', link: '#trail' } }] },
  }
  const url = await stage('shoes', { variants: shows({ kind: 'popup', title: 'Find your shoe', survey }) })
  const guest = await visitor(browser, [site.url, SERVER])
  const page = await guest.open(url)
  await shown(page, url)
  await page.click('text=In the forest')
  await page.click('text=Speed')
  await accessible(page)
  // More than may be written is not taken, and markup is a text.
  await page.fill('textarea', '')
  await page.type('textarea', '<img src=x onerror="alert(1)"> & much more than may be written')
  await page.click('text=Continue')
  await page.waitForSelector('text=A shoe with grip')
  assert.equal(await page.isVisible('text=A light shoe'), false)
  await accessible(page)
  const note = '<img src=x onerror="alert(1)"> & much mo'
  const [answered] = await told(page, 'Survey Answered')
  const { runs_for, runs_note, shoe } = answered
  assert.deepEqual({ runs_for, runs_note, shoe }, { runs_for: 'speed', runs_note: note, shoe: 'trail' })
  const id = await device(page)
  const known = await eventually('the traits', async () => {
    const { traits } = await person('anonymous_id', id)
    return traits.shoe && traits
  })
  assert.deepEqual([known.shoe, known.runs_note].map((one) => one.value ?? one), ['trail', note])
  // What was answered is in one event, and not in those that follow.
  await page.click('text=See them')
  const [clicked] = await told(page, 'Experience Clicked')
  assert.deepEqual([clicked.shoe, clicked.runs_note, clicked.experience], [undefined, undefined, 'shoes_on'])
  await guest.leave()
  assert.deepEqual(guest.complaints, [])
})

test('a row stands in the element of its placement, says why, and goes with who wants no more of it', async () => {
  const items = [1, 2, 3].map((number) =>
    ({ title: `Lamp ${number}`, link: `/lamp/${number}`, image: 'data:,', price: '€ 10' }))
  const component = { kind: 'embedded', title: 'For you', items, why: 'You looked at lamps.' }
  const slot = '<section data-concierge="row" style="min-height:420px"><h2>Popular</h2></section>'
  const url = await stage('row', { variants: shows({ ...component, items: items.map(({ image, ...one }) => one) }) }, `<main style="display:flow-root"><h1>Shop</h1>${slot}</main>`)
  const guest = await visitor(browser, [site.url, SERVER])
  const page = await guest.open(url)
  await shown(page, url)
  assert.equal(await page.isVisible('h2'), false)
  await accessible(page)
  await told(page, 'Experience Viewed')
  await page.evaluate(() => document.addEventListener('click', (event) => event.target.closest('a') && event.preventDefault()))
  await page.click('text=Lamp 2')
  const [clicked] = await told(page, 'Experience Clicked')
  assert.equal(clicked.item, '/lamp/2')
  await page.click('summary')
  await page.click('[data-do=refuse]')
  await eventually('it is taken back', async () => (await page.locator(root).count()) === 0)
  assert.equal(await page.isVisible('h2'), true)
  await guest.leave()
  assert.deepEqual(guest.complaints, [])
})
