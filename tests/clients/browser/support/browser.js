// A real browser whose pages can reach nothing but this machine, and are watched.

import assert from 'node:assert/strict'

import { chromium } from 'playwright-core'

import { environment, eventually } from './concierge.js'

const LOCALE = 'sv-SE'
const ARGUMENTS = [
  '--headless=new',
  // Tests often run as root in a container, where Chromium has no sandbox.
  '--no-sandbox',
  '--no-proxy-server',
  // Names lead nowhere: whoever asks for a host elsewhere fails, and is seen by `watch`.
  '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1',
]

export const launch = () =>
  chromium.launch({ executablePath: environment('CHROMIUM'), headless: false, args: ARGUMENTS })

// A visitor: a browser profile of its own, whose pages may ask only the `allowed` origins.
export async function visitor(browser, allowed, options = {}) {
  const context = await browser.newContext({ locale: LOCALE, ...options })
  const asked = []
  const complaints = []
  context.on('request', (request) => asked.push(request))
  context.on('weberror', (fault) => complaints.push(String(fault.error())))
  context.on('console', (message) => {
    if (message.type() === 'error') complaints.push(message.text())
  })
  return {
    context,
    asked,
    complaints,
    open: async (url, options) => {
      const page = await context.newPage()
      await page.goto(url, options)
      return page
    },
    // Ends the visit, and says what the pages asked for besides what they may.
    leave: async () => {
      await context.close()
      const hosts = asked.map((request) => new URL(request.url())).filter((url) => url.protocol !== 'about:')
      const strange = hosts.filter((url) => !allowed.includes(url.origin))
      assert.deepEqual(strange.map(String), [], 'nothing but the shop and the server is asked')
    },
  }
}

// The calls of one method that a visitor's pages have made to a path.
export const calls = (guest, method, path) =>
  guest.asked.filter((one) => one.method() === method && new URL(one.url()).pathname === path)

// Waits until a visitor's pages have made a call.
export const called = (guest, method, path) =>
  eventually(`${method} ${path}`, () => calls(guest, method, path).length > 0)
