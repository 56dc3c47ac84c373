// The demonstration's shop in plain HTML, and what it has to do with simulated shoppers.

import assert from 'node:assert/strict'
import { test } from 'node:test'

import { nameOf, productOf } from '../../examples/shop/catalogue.js'
import { demo, somebody, testShop } from './support/shop-visits.js'

const { environment, events } = await import('../clients/browser/support/concierge.js')

testShop('')

test('a campaign leads some visitors to what it is about', () =>
  somebody('the garden', async (page) => {
    await page.goto(`${demo.shop}/?utm_campaign=garden`)
    return page.waitForURL('**/category/garden', { timeout: 2_000 }).then(() => true, () => false)
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
  const results = await fetch(`${demo.server}/api/v1/experiences/product_row_test/results`, { headers })
  assert.equal(results.status, 200)
  const { arms, variants } = await results.json()
  assert.ok((arms ?? variants).every(({ units }) => 0 < units), 'shoppers have met every variant')
})
