// A page that shows what was decided for it. A busy machine can answer later than a visitor is kept waiting, and then
// the page shows the original; so it is opened again, as a visitor would, until it was in time.

import assert from 'node:assert/strict'

const OPENED_MAX = 20
const WAIT_MS = 2_000

export async function showing(page, url, isShown) {
  for (let opened = 0; opened < OPENED_MAX; opened += 1) {
    await page.goto(url)
    const deadline = Date.now() + WAIT_MS
    while (Date.now() < deadline) {
      if (await isShown()) return
      await page.waitForTimeout(20)
    }
  }
  assert.fail(`${url} never showed what was decided`)
}
