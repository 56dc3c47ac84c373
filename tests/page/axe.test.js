// The tests of others rest on this: axe runs under a strict policy, sees into shadow roots, and finds what is wrong.

import assert from 'node:assert/strict'
import { test } from 'node:test'

import { visitor } from '../clients/browser/support/browser.js'
import { browser, site } from '../clients/browser/support/stage.js'
import { accessible, faults } from './support/axe.js'

const POLICY = `<meta http-equiv="content-security-policy"
  content="default-src 'none'; script-src 'nonce-a'; require-trusted-types-for 'script'; trusted-types 'none'">`

const page = (shadow) => `<!doctype html><html lang="en"><title>Shop</title><link rel="icon" href="data:,">${POLICY}
  <main><h1>Shop</h1><div id="host"></div></main>
  <div id="within"><template shadowrootmode="open">${shadow}</template></div></html>`

test('axe finds what is wrong within a shadow root, under a strict policy', async () => {
  const guest = await visitor(browser, [site.url])
  const wrong = await guest.open(site.show('/axe/wrong', page('<section aria-label="A"><input></section>')))
  const [fault, ...others] = await faults(wrong, '#within')
  assert.match(fault, /^label /)
  assert.deepEqual(others, [])
  const right = await guest.open(site.show('/axe/right', page('<section aria-label="A"><p>Fine</p></section>')))
  await accessible(right)
  await guest.leave()
})
