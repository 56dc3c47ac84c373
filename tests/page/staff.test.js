// What staff see who look at a page by a preview's link, and what nobody else sees.

import assert from 'node:assert/strict'
import { before, test } from 'node:test'

import { calls, visitor } from '../clients/browser/support/browser.js'
import { SERVER, define, environment, eventually, events, person } from '../clients/browser/support/concierge.js'
import { browser, site } from '../clients/browser/support/stage.js'
import { accessible } from './support/axe.js'
import { tag } from './support/guide.js'
import { showing } from './support/showing.js'

const HOSTILE = '<img src=x onerror="ran=1">'

const BODY = `<main><h1>Tents</h1>
  <section data-concierge="staff_hero"><h2 data-field="title">As it was</h2></section>
  <section data-concierge="staff_offer"><p data-field="text">No offer</p></section>
  <p id="tail">Tail</p></main>`
const html = (head) => `<!doctype html><html lang="en"><title>Shop</title><link rel="icon" href="data:,">
  <meta name="viewport" content="width=device-width">${head}<body>${BODY}</body></html>`

async function api(method, path, body) {
  const headers = { authorization: `Bearer ${environment('CONCIERGE_TOKEN')}` }
  const answer = await fetch(SERVER + path, { method, headers, body: JSON.stringify(body) })
  assert.ok(answer.ok, `${path}: ${answer.status} ${await answer.clone().text()}`)
  return answer.json()
}

const link = async (preview, lasts = '1h') => (await api('POST', '/api/v1/previews', { preview, lasts })).token

before(async () => {
  const match = { context: 'page.path', op: 'in', value: ['/staff', '/staff/other', '/staff/arabic'] }
  for (const key of ['staff_hero', 'staff_offer', 'staff_page', 'staff_banner', 'staff_letter']) {
    await define('placements', key, { state: 'live', match })
  }
  const experience = (key, placement, document) => define('experiences', key, { state: 'live', placement, ...document })
  const title = (title) => ({ content: { title } })
  await experience('staff_loyal', 'staff_hero', {
    priority: 9, name: 'For the loyal', variants: [{ key: 'warm', ...title('Good to have you back') }],
    eligibility: { all: [
      { event: 'Page Viewed', count: { op: 'gte', value: 1 } }, { trait: 'city', op: 'eq', value: 'Oslo' },
    ] },
  })
  await experience('staff_any', 'staff_hero', {
    variants: [{ key: 'a', weight: 1, ...title('Tents for all') }, { key: 'b', weight: 0, ...title('Tents for you') }],
  })
  await experience('staff_test', 'staff_offer', {
    control: 'as_it_was', variants: [{ key: 'as_it_was', weight: 1, content: null }, { key: 'new', weight: 0, content: { text: 'Offer' } }],
  })
  await experience('staff_changes', 'staff_page', { variants: [{ key: 'on', content: { changes: [
    { kind: 'text', selector: '#tail', value: 'Changed' }, { kind: 'hide', selector: '#nowhere' },
  ] } }] })
  await experience('staff_once', 'staff_banner', {
    caps: { per_person: { count: 1, within: '1d' } }, variants: [{ key: 'on', content: { text: 'Once' } }],
  })
  await experience('staff_letter', 'staff_letter', {
    purpose: 'marketing', variants: [{ key: 'on', content: { text: 'Letter' } }],
  })
  await define('experiences', 'staff_draft', {
    state: 'draft', placement: 'staff_hero', priority: 20, variants: [{ key: 'x', ...title('Next spring') }],
  })
})

const guest = (options) => visitor(browser, [site.url, SERVER], options)
const shop = (path = '/staff', head = '') => site.show(path, html(head + tag()))
const bar = (page) => page.getByRole('region', { name: 'Preview' })
const panel = (page) => page.getByRole('region', { name: 'Why this page shows what it shows' })
const card = (page, placement) => panel(page).getByRole('article', { name: placement })

// A page as visitors see it.
async function decided(one) {
  const page = await one.open('about:blank')
  await showing(page, shop(), () => page.getByText('Tents for all').isVisible())
  return page
}

async function explained(one, preview = { debug: true }, path = '/staff') {
  const page = await one.open(`${shop(path)}?concierge_preview=${await link(preview)}`)
  await bar(page).getByRole('button', { name: 'Why?' }).click()
  await card(page, 'staff_hero').waitFor()
  return page
}

test('a visitor without a link loads nothing of it', async () => {
  const one = await guest()
  const page = await decided(one)
  assert.deepEqual(calls(one, 'GET', '/sdk/modules/staff.js'), [])
  assert.equal(await bar(page).count(), 0)
  await one.leave()
})

test('a forged or expired link shows nothing, and the page works', async () => {
  const one = await guest()
  const short = await link({ debug: true }, '1s')
  await new Promise((over) => setTimeout(over, 1_100))
  for (const token of ['forged', '.forged', short]) {
    const page = await one.open(`${shop()}?concierge_preview=${token}`)
    await page.waitForFunction(() => !sessionStorage.concierge_preview)
    assert.equal(await page.locator('html > div').count(), 0)
    assert.equal(await page.textContent('h2'), 'As it was')
    await showing(page, shop(), () => page.getByText('Tents for all').isVisible())
    await page.close()
  }
  await one.leave()
})

test('a bar says what is shown, as whom and until when, and leads out of it', async () => {
  const one = await guest()
  const token = await link({ persona: { traits: { first_name: HOSTILE } }, drafts: ['staff_draft'] })
  const page = await one.open(`${shop()}?x=1&concierge_preview=${token}`)
  await page.getByText('Next spring').waitFor()
  await bar(page).getByText(`Preview as somebody invented, ${HOSTILE}`).waitFor()
  await bar(page).getByText(/Until .* Nothing is recorded/).waitFor()
  await bar(page).getByText('staff_draft draft').waitFor()
  assert.equal(page.url(), `${shop()}?x=1`, 'the link is passed on by nobody unawares')
  assert.equal(await bar(page).getByRole('button', { name: 'Why?' }).count(), 0, 'this link does not say why')
  assert.equal(await page.evaluate(() => window.ran), undefined)

  assert.match(await page.evaluate(() => document.cookie), /concierge_preview=1/)

  await bar(page).getByRole('button', { name: 'Move this bar to the top' }).click()
  assert.ok((await bar(page).boundingBox()).y < 100)
  await bar(page).getByRole('button', { name: 'Make this bar small' }).press('Enter')
  assert.ok((await bar(page).boundingBox()).width < 60)
  await page.keyboard.press('Enter')
  await bar(page).getByRole('button', { name: 'Leave the preview' }).press('Enter')
  await page.waitForURL(`${shop()}?x=1`)
  await showing(page, `${shop()}?x=1`, () => page.getByText('Tents for all').isVisible())
  assert.equal(await bar(page).count(), 0)
  assert.doesNotMatch(await page.evaluate(() => document.cookie), /concierge_preview/)
  await one.leave()
})

test('a panel says what was decided, what else was considered, and what stood in the way', async () => {
  const one = await guest()
  const first = await decided(one)
  await first.evaluate(() => concierge('identify', 'staff-known', { city: '<b>Rome</b>' }))
  await eventually('the visitor', () => person('user_id', 'staff-known'))
  // Shown once, as far as the server is concerned: a decision that is kept is a win.
  await eventually('the cap', async () => {
    const { decisions } = await (await fetch(`${SERVER}/v1/decide`, { method: 'POST', body: JSON.stringify({
      write_key: environment('CONCIERGE_WRITE_KEY'), identifiers: { user_id: 'staff-known' }, placements: ['staff_banner'],
    }) })).json()
    return decisions[0].reason === 'frequency_cap'
  })
  await first.close()

  const page = await explained(one)
  const says = (placement, ...texts) => Promise.all(texts.map((text) => card(page, placement).getByText(text).first().waitFor()))
  await says('staff_hero', 'shown', 'staff_any', 'Found on the page', '1 of 1 change in place')
  await card(page, 'staff_hero').getByText('Not eligible: trait city is "<b>Rome</b>", wanted "Oslo".').click()
  await says('staff_hero', 'consent', 'all of 2', /count of "Page Viewed" is \d+, wanted at least 1/)
  await says('staff_offer', 'control', 'as_it_was', /compare the other variants/)
  await says('staff_banner', 'shown enough', 'Shown 1 times within 1d, at most 1.')
  await says('staff_letter', 'not agreed', 'Purpose marketing is not granted.')
  await says('staff_page', '1 of 2 changes in place', 'has no element here', '#nowhere')
  await panel(page).getByText('What is known of this visit').click()
  await panel(page).getByText('device.type').waitFor()
  await panel(page).getByText(/recognised by user_id as profile/).waitFor()
  assert.equal(await page.evaluate(() => window.ran), undefined)

  await card(page, 'staff_page').hover()
  const frame = await page.locator('.frame').boundingBox()
  const tail = await page.locator('#tail').boundingBox()
  assert.deepEqual([Math.round(frame.y), Math.round(frame.height)], [Math.round(tail.y), Math.round(tail.height)])
  await page.evaluate(() => document.querySelector('#tail').replaceWith('gone'))
  await says('staff_page', 'Not found on this page: ')
  await one.leave()
})

test('it says who is held out, and nothing of what is sensitive', async () => {
  const match = { context: 'page.path', op: 'eq', value: '/staff/held' }
  for (const key of ['staff_held', 'staff_ill']) await define('placements', key, { state: 'live', match })
  await define('traits', 'staff_illness', { state: 'live', sensitivity: 'sensitive', declared_use: 'a test' })
  await define('experiences', 'staff_held_on', {
    state: 'live', placement: 'staff_held', holdout: 1, variants: [{ key: 'on', content: { text: 'Held' } }],
  })
  await define('experiences', 'staff_ill_on', {
    state: 'live', placement: 'staff_ill', variants: [{ key: 'on', content: { text: 'Ill' } }],
    eligibility: { trait: 'staff_illness', op: 'eq', value: 'gout' },
  })
  const one = await guest()
  const page = await one.open(`${shop('/staff/held')}?concierge_preview=${await link({ debug: true })}`)
  await page.evaluate(() => concierge('identify', 'staff-ill', { staff_illness: 'migraine' }))
  await eventually('the visitor', () => person('user_id', 'staff-ill'))
  await bar(page).getByRole('button', { name: 'Why?' }).click()
  await card(page, 'staff_held').getByText('held out', { exact: true }).waitFor()
  await card(page, 'staff_held').getByText('They are kept out of it for comparison').waitFor()
  await card(page, 'staff_ill').getByText('trait staff_illness is masked').first().waitFor()
  for (const summary of await panel(page).locator('summary').all()) await summary.press('Enter')
  assert.doesNotMatch(await panel(page).textContent(), /migraine/)
  await one.leave()
  assert.deepEqual(one.complaints, [])
})

test('another variant is shown, and what is done by whoever looks counts for no experiment', async () => {
  const one = await guest()
  const page = await explained(one)
  const visitorId = await page.evaluate(() => localStorage.ajs_anonymous_id)
  await page.evaluate(() => concierge('track', 'Looked Around'))
  const seen = await eventually('the event', async () => {
    const found = await events('anonymous_id', visitorId)
    return found.some(({ name }) => name === 'Looked Around') && found
  })
  assert.deepEqual(seen.filter(({ name }) => name.startsWith('Experience')), [], 'no exposure')
  assert.ok(!JSON.stringify(seen).includes(await page.evaluate(() => sessionStorage.concierge_preview)), 'no link')
  const { id } = await person('anonymous_id', visitorId)
  assert.deepEqual((await api('GET', `/api/v1/profiles/${id}/decisions`)).items, [])

  await card(page, 'staff_hero').locator('summary', { hasText: 'staff_any' }).click()
  await card(page, 'staff_hero').getByLabel('Show').last().selectOption('b')
  await page.getByRole('heading', { name: 'Tents for you' }).waitFor()
  await card(page, 'staff_hero').getByText('The preview asks for it').waitFor()
  await bar(page).getByText(/Nothing is recorded/).waitFor()
  await bar(page).getByLabel('staff_any').selectOption('as decided')
  await page.getByRole('heading', { name: 'Tents for all' }).waitFor()
  await one.leave()
})

test('it can be used beside a modal pop-up, and no answer to that is kept', async () => {
  const match = { context: 'page.path', op: 'eq', value: '/staff/popup' }
  await define('placements', 'staff_popup', { state: 'live', match })
  await define('experiences', 'staff_popup_on', { state: 'live', placement: 'staff_popup', variants: [
    { key: 'on', content: { component: { kind: 'popup', title: 'Before you go', why: true } } },
  ] })
  const one = await guest()
  const variants = { staff_popup_on: 'on' }
  const page = await one.open(`${shop('/staff/popup')}?concierge_preview=${await link({ debug: true, variants })}`)
  const dialog = page.locator('dialog')
  await dialog.waitFor()
  await bar(page).getByRole('button', { name: 'Why?' }).click()
  await card(page, 'staff_popup').waitFor()
  await accessible(page)
  await panel(page).press('Escape')
  await panel(page).waitFor({ state: 'hidden' })
  assert.equal(await dialog.isVisible(), true)
  await dialog.getByText('Why am I seeing this?').click()
  await dialog.getByRole('button', { name: 'Stop choosing for me' }).click()
  await page.keyboard.press('Escape')
  await dialog.waitFor({ state: 'hidden' })
  await bar(page).getByRole('button', { name: 'Why?' }).click()
  await card(page, 'staff_popup').waitFor()
  assert.equal(await page.evaluate(() => localStorage.getItem('concierge_consent')), null)
  await one.leave()
  assert.deepEqual(one.complaints, [])
})

test('it is used by keyboard and screen reader, on pages of any direction and policy', async () => {
  const policy = `<meta http-equiv="content-security-policy"
    content="default-src 'none'; script-src 'unsafe-inline' ${SERVER}; connect-src ${SERVER}; img-src data:">`
  for (const [options, dir] of [
    [{ viewport: { width: 1280, height: 800 } }, 'ltr'],
    [{ viewport: { width: 390, height: 780 }, colorScheme: 'dark' }, 'rtl'],
  ]) {
    const one = await guest(options)
    const url = site.show('/staff', html(policy + tag()).replace('<html', `<html dir="${dir}"`))
    const page = await one.open(`${url}?concierge_preview=${await link({ debug: true })}`)
    await bar(page).waitFor()
    await accessible(page)
    await bar(page).getByRole('button', { name: 'Why?' }).press('Enter')
    await card(page, 'staff_hero').waitFor()
    for (const summary of await panel(page).locator('summary').all()) await summary.press('Enter')
    await accessible(page)
    const { x, width } = await panel(page).boundingBox()
    assert.ok(0 <= x && x + width <= options.viewport.width)
    await page.keyboard.press('Escape')
    await panel(page).waitFor({ state: 'hidden' })
    assert.ok(await page.evaluate(() => {
      const { shadowRoot } = document.querySelector('html > div')
      return shadowRoot.activeElement?.textContent === 'Why?'
    }), 'the focus is where it came from')
    assert.deepEqual(one.complaints, [])
    await one.leave()
  }
})
