// Every shape of component on a desktop and on a phone, from left to right and from right to left, under a strict content
// security policy: it moves nothing, fits, can be used by everybody, and goes when it is told to.

import assert from 'node:assert/strict'
import { test } from 'node:test'

import { visitor } from '../clients/browser/support/browser.js'
import { SERVER } from '../clients/browser/support/concierge.js'
import { browser, site } from '../clients/browser/support/stage.js'
import { accessible } from './support/axe.js'
import { tag } from './support/guide.js'
import { SHIFTS, html, root, shown, shows, stage } from './support/stage-component.js'

for (const [lang, dir] of [['en', 'ltr'], ['ar', 'rtl']]) {
  for (const kind of ['banner', 'bar', 'popup', 'slide_in']) {
    test(`${kind} in ${lang}: nothing is in anybody's way, on a desktop and on a phone`, async () => {
      const texts = lang === 'ar' ? ['أهلاً', 'شحن مجاني اليوم', 'تسوق'] : ['Welcome', 'Free shipping today', 'Shop']
      const [title, text, button] = texts
      const name = `${kind}_${lang}`
      await stage(name, { variants: shows({
        kind, lang, text, countdown: '2099-01-01T00:00:00Z', button: { text: button, link: '/' },
        ...(kind === 'bar' ? {} : { title, why: true }),
      }) })
      const policy = "default-src 'none'; script-src 'nonce-n' " + SERVER + '; connect-src ' + SERVER + "; img-src data:; style-src 'nonce-n'"
      const head = `<meta http-equiv="Content-Security-Policy" content="${policy}">
        <style nonce="n">main { display: flow-root; height: 3000px }</style>` + (SHIFTS + tag()).replaceAll('<script>', '<script nonce="n">')
      const url = site.show(`/${name}`, html('<main><h1>Shop</h1></main>', head, lang, dir))
      for (const size of [{ width: 1280, height: 800 }, { width: 390, height: 844 }]) {
        const guest = await visitor(browser, [site.url, SERVER], { viewport: size })
        const page = await guest.open(url)
        await shown(page, url)
        await accessible(page)
        const box = await page.locator(root).boundingBox()
        assert.ok(0 <= box.x && box.x + box.width <= size.width && 0 <= box.y, JSON.stringify(box))
        assert.ok(box.y + box.height <= size.height, JSON.stringify(box))
        assert.equal(await page.evaluate((root) => getComputedStyle(document.querySelector(root)).position, root), 'fixed')
        assert.deepEqual(await page.evaluate(() => shifts), [])
        if (process.env.PICTURES) await page.screenshot({ path: `${process.env.PICTURES}/${name}-${size.width}.png` })
        await page.click('[data-do=close]')
        await page.waitForSelector(root, { state: 'hidden' })
        await guest.leave()
        assert.deepEqual(guest.complaints, [])
      }
    })
  }
}
