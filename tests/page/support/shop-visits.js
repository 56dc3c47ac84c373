// What visitors do in the demonstration's shop and what they see there: the same in the plain one and in that with React.
// What they do is told once and in full, and what is decided for them is on its pages.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'

import { CATEGORY_KEYS, nameOf, productOf } from '../../../examples/shop/catalogue.js'
import { TEXTS } from '../../../examples/shop/texts.js'
import { accessible } from './axe.js'
import { openDemo } from './shop.js'

export const demo = await openDemo()
// What asks the server asks that one.
process.env.CONCIERGE_SERVER = demo.server
const { counted, countPrograms, events, eventually, person } =
  await import('../../clients/browser/support/concierge.js')
const { launch, visitor } = await import('../../clients/browser/support/browser.js')

/** So many people are looked for until one is drawn for something. */
const TRIES_MAX = 25
/** A page is opened so often until it shows what was decided: fewer times than make a newcomer a regular. */
const OPENED_MAX = 3
const SHOWN_MS = 500
const WIDE = { locale: 'en-GB', viewport: { width: 1280, height: 800 } }

let browser
before(async () => {
  await countPrograms()
  browser = await launch()
})
after(async () => {
  await browser?.close()
  await demo.close()
})

// A visitor of the shop, who adds up how far what they look at has moved by itself.
async function shopper(options = WIDE) {
  const guest = await visitor(browser, [demo.shop, demo.server], options)
  guest.shifts = []
  await guest.context.exposeBinding('shifted', (_, shift) => guest.shifts.push(shift))
  await guest.context.addInitScript(() => {
    new PerformanceObserver((list) => {
      for (const { value, hadRecentInput, sources } of list.getEntries()) {
        if (!hadRecentInput) window.shifted([value, location.pathname, ...sources.map(({ node }) => node?.className)])
      }
    }).observe({ type: 'layout-shift', buffered: true })
  })
  guest.id = (page) => eventually('a visitor', () => page.evaluate(() => localStorage.getItem('ajs_anonymous_id')))
  guest.told = async (page) => events('anonymous_id', await guest.id(page))
  guest.end = async () => {
    await guest.leave()
    assert.deepEqual(guest.complaints, [])
  }
  return guest
}

// Finds somebody of whom it is true; who is drawn for what, and what comes in time, is chance.
export async function somebody(what, isTrue, options) {
  for (let tries = 0; tries < TRIES_MAX; tries += 1) {
    const guest = await shopper(options)
    const page = await guest.context.newPage()
    const found = await isTrue(page, guest)
    await guest.end()
    if (found) return
  }
  assert.fail(`nobody of ${TRIES_MAX}: ${what}`)
}

const decided = (page) => page.waitForResponse((response) => response.url().includes('/v1/decide'))

// Opens a page, waits until it is decided for it, and answers whether something is so then; again, since a busy machine
// may answer later than a visitor is kept waiting.
export async function shows(page, url, isShown) {
  for (let opened = 0; opened < OPENED_MAX; opened += 1) {
    const answer = decided(page)
    await page.goto(demo.shop + url)
    await answer
    if (await page.waitForFunction(isShown, null, { timeout: SHOWN_MS }).catch(() => false)) return true
  }
  return false
}

const money = (cents) => new Intl.NumberFormat(TEXTS.en.format, { style: 'currency', currency: 'EUR' }).format(cents / 100)

async function walk(page, root) {
  await page.goto(`${demo.shop}${root}/`)
  await page.getByRole('navigation', { name: 'Categories' }).getByRole('link', { name: 'Audio' }).click()
  await page.getByRole('heading', { name: 'Audio', level: 1 }).waitFor()
  await page.locator('[data-product=audio-2] a').click()
  await page.getByRole('heading', { name: 'Copper headphones' }).waitFor()
  await page.getByRole('button', { name: 'Add to cart', exact: true }).click()
  await page.getByText('In your cart: Copper headphones').waitFor()
  await page.getByRole('link', { name: /Cart/ }).click()
  await page.getByRole('button', { name: 'Quantity +1' }).click()
  await page.locator('dd.total', { hasText: money(2 * productOf('audio-2').cents) }).waitFor()
  await page.getByRole('link', { name: 'Go to checkout' }).click()
  const fields = { Name: 'Ann', 'E-mail': 'ann@shop.example', 'Street and number': 'A 1', City: 'B', Postcode: '1' }
  for (const [label, text] of Object.entries(fields)) await page.getByLabel(label, { exact: true }).fill(text)
  await page.getByRole('button', { name: 'Place the order' }).click()
  await page.getByText(/Your order [0-9A-F]{8} is on its way/).waitFor()
}

/** Tests the shop whose paths begin with `root`. */
export function testShop(root) {
  test('from the home page to an order, everything is told once', async () => {
    const guest = await shopper()
    const page = await guest.context.newPage()
    await walk(page, root)
    const names = ['Product List Viewed', 'Product Viewed', 'Product Added', 'Cart Viewed', 'Checkout Started',
      'Order Completed', 'Page Viewed']
    const all = () => guest.told(page)
    const enough = async () => (counted(await all())['Page Viewed'] === 6 ? all() : null)
    const told = await eventually('six pages', enough)
    const counts = counted(told)
    assert.deepEqual(names.map((name) => counts[name]), [1, 1, 2, 1, 1, 1, 6])
    const of = (name) => told.find((event) => event.name === name).properties
    const product = {
      product_id: 'audio-2', name: 'Copper headphones', category: 'audio', brand: 'Valve & Co',
      price: productOf('audio-2').cents / 100, currency: 'EUR',
    }
    assert.deepEqual(of('Product Viewed'), product)
    const { order_id, ...order } = of('Order Completed')
    const total = 2 * product.price
    assert.deepEqual(order, {
      revenue: total, currency: 'EUR', shipping: 0, total, products: [{ ...product, quantity: 2 }],
    })
    assert.match(order_id, /^[0-9A-F]{8}$/)
    assert.deepEqual(guest.shifts, [], 'nothing moved by itself')
    await guest.end()
  })

  test('a search is told, and finds', async () => {
    const guest = await shopper()
    const page = await guest.open(`${demo.shop}${root}/`)
    await page.getByRole('searchbox').fill('tent')
    await page.getByRole('searchbox').press('Enter')
    await page.getByRole('heading', { name: 'Results for “tent”' }).waitFor()
    assert.equal(await page.locator('.card:visible').count(), 4)
    const search = await eventually('a search', async () =>
      (await guest.told(page)).find(({ name }) => name === 'Products Searched'))
    assert.deepEqual(search.properties, { query: 'tent' })
    await guest.end()
  })

  test('who logs in is known, and who logs out is somebody else', async () => {
    const guest = await shopper()
    const page = await guest.open(`${demo.shop}${root}/account`)
    const before = await guest.id(page)
    await page.getByLabel('Name').fill('Ann Other')
    await page.getByLabel('E-mail').fill(`ann@shop.example`)
    await page.getByRole('button', { name: 'Log in' }).click()
    await page.getByRole('heading', { name: 'Hello, Ann Other' }).waitFor()
    const known = await eventually('a person', async () => {
      const found = await person('anonymous_id', before)
      return found?.traits?.first_name && found
    })
    assert.equal(known.traits.first_name.value ?? known.traits.first_name, 'Ann')
    await page.getByRole('button', { name: 'Log out' }).click()
    await page.getByRole('heading', { name: 'Your account' }).waitFor()
    await eventually('another visitor', async () => (await guest.id(page)) !== before)
    await guest.end()
  })

  test('newcomers see a calmer page, and those who come back are welcomed', async () => {
    await somebody('the calmer page', (page) =>
      shows(page, `${root}/`, () =>
        document.querySelector('#home').classList.contains('calm') && !document.querySelector('#brands').checkVisibility()))
    await somebody('a welcome', async (page, guest) => {
      for (const key of CATEGORY_KEYS) {
        await page.goto(`${demo.shop}${root}/category/${key}`)
        await page.getByRole('heading', { name: TEXTS.en.categories[key][0], level: 1 }).waitFor()
      }
      await eventually('six pages', async () => 5 < (counted(await guest.told(page))['Page Viewed'] ?? 0))
      return shows(page, `${root}/`, () => document.querySelector('h1')?.innerText === 'Good to see you again')
    })
  })

  test('who looks at what is dear sees more of it, in their language', async () => {
    await somebody('the deluxe row', async (page, guest) => {
      for (const id of ['audio-20', 'audio-16', 'garden-20']) {
        await page.goto(`${demo.shop}${root}/ar/product/${id}`)
        await page.getByRole('heading', { name: nameOf(productOf(id), 'ar') }).waitFor()
      }
      await eventually('three products', async () => counted(await guest.told(page))['Product Viewed'] === 3)
      assert.equal(await page.getAttribute('html', 'dir'), 'rtl')
      return shows(page, `${root}/ar/`, () =>
        document.querySelector('#popular h2')?.innerText === 'مصنوع باليد'
        && document.querySelector('#popular .card').dataset.product === 'audio-20')
    })
  })

  test('a place to send things to is named', async () => {
    const guest = await shopper()
    const page = await guest.open(`${demo.shop}${root}/cart`)
    await guest.id(page)
    await page.getByLabel('Deliver to').selectOption('London')
    await eventually('that it is told', async () => counted(await guest.told(page))['Delivery Place Chosen'] === 1)
    assert.ok(await shows(page, `${root}/cart`, () => document.querySelector('.top-bar').innerText.startsWith('In London')))
    await guest.end()
  })

  test('nothing stands in the way of those who cannot see well', async () => {
    const guest = await shopper()
    const page = await guest.open(`${demo.shop}${root}/`)
    for (const path of ['/', '/ar/category/toys', '/sv/product/books-7', '/search?q=tent', '/checkout', '/account']) {
      const answer = decided(page)
      await page.goto(`${demo.shop}${root}${path}`)
      await answer
      await page.getByRole('heading', { level: 1 }).waitFor()
      await accessible(page)
    }
    await guest.end()
  })
}
