// The demonstration's shop in plain HTML, and what it has to do with simulated shoppers.

import assert from 'node:assert/strict'
import { test } from 'node:test'

import { nameOf, productOf } from '../../examples/shop/catalogue.js'
import { demo, somebody, testShop } from './support/shop-visits.js'

const { environment, events, eventually } = await import('../clients/browser/support/concierge.js')

const OPENED_MAX = 3
const LED_MS = 2_000

testShop('')

// Who has seen the home page meanwhile is not led on; the second time the script is at hand.
test('a campaign leads some visitors to what it is about', () =>
  somebody('the garden', async (page) => {
    for (let opened = 0; opened < OPENED_MAX; opened += 1) {
      const led = page.waitForURL('**/category/garden', { timeout: LED_MS }).then(() => true, () => false)
      // One that is led on at once never finishes loading.
      await page.goto(`${demo.shop}/?utm_campaign=garden`).catch(() => undefined)
      if (await led) return true
    }
    return false
  }))

test('simulated shoppers shop in the same shop', async () => {
  const told = await events('user_id', demo.shopper)
  const products = told.map(({ properties }) => properties).filter((properties) => properties?.product_id)
  assert.ok(0 < products.length)
  for (const { product_id, name, category, price } of products) {
    const product = productOf(product_id)
    assert.deepEqual([name, category, price], [nameOf(product, 'en'), product.category, product.cents / 100])
  }
  const headers = { authorization: `Bearer ${environment('CONCIERGE_TOKEN')}` }
  // They go on coming, and those are recorded.
  await eventually('shoppers in every variant of a test', async () => {
    const answer = await fetch(`${demo.server}/api/v1/experiences/first_impression/results`, { headers })
    assert.equal(answer.status, 200)
    const { arms } = await answer.json()
    return arms.every(({ units }) => 0 < units)
  })
})
