// A page that asks nobody anything by itself: the client with consent required, and modules beside it.

import { visitor } from '../../clients/browser/support/browser.js'
import { SERVER } from '../../clients/browser/support/concierge.js'
import { browser, site } from '../../clients/browser/support/stage.js'
import { tag } from './guide.js'

export const module = (name) => `<script async src="${SERVER}/sdk/modules/${name}.js"></script>`
export const REQUIRED = "<script>conciergeOptions = { consent: 'required' }</script>"

const BODY = '<main><h1>Shop</h1><p>Things that last.</p></main>'

// Opens a page under a path of its own, as a visitor of their own.
export async function open(path, { head = '', body = BODY, language = 'en', options = {}, prepare } = {}) {
  const guest = await visitor(browser, [site.url, SERVER], options)
  if (prepare) await guest.context.addInitScript(prepare)
  const direction = language === 'ar' ? 'rtl' : 'ltr'
  const url = site.show(path, `<!doctype html><html lang="${language}" dir="${direction}"><meta charset="utf-8">
    <title>Shop</title><meta name="viewport" content="width=device-width"><link rel="icon" href="data:,">
    ${head}<body>${body}</body></html>`)
  const page = await guest.open(url)
  return {
    guest,
    page,
    url,
    posts: () => guest.asked.filter((call) => call.method() === 'POST'),
    kept: () => page.evaluate(() => [document.cookie.replace(/=[^;]*/g, ''), ...Object.keys(localStorage)]),
    // What the client knows to be answered.
    answer: () => page.evaluate(() => concierge('consents')),
    known: () => page.evaluate(() => localStorage.getItem('ajs_anonymous_id')),
    loaded: () => page.waitForFunction(() => window.concierge?.r),
  }
}

// The tag of the guide, with consent required.
export const client = () => REQUIRED + tag()
