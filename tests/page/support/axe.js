// What stands in the way of people who use a page by keyboard, by screen reader or with poor sight, as far as a program
// can tell. axe-core runs in the page for it; it is part of these tests alone, and of nothing that is shipped.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

/** WCAG 2.2, levels A and AA, and what axe holds to be good practice. */
const TAGS = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']

// What axe finds within a selector, shadow roots and all: rules, and the elements that break them. A policy of the
// page's does not keep it out, as it comes by the browser's debugger. Of what is looked at by itself, contrast that axe
// cannot tell is a fault as well, lest nobody looks at it; of a whole page parts may be behind something.
export async function faults(page, within = 'html') {
  await page.evaluate(AXE)
  // A colour that is half way says nothing about contrast.
  await page.evaluate(async () => {
    const ends = document.getAnimations().filter(({ effect }) => effect.getTiming().iterations !== Infinity)
    await Promise.allSettled(ends.map(({ finished }) => finished))
  })
  const { violations, incomplete, passes } = await page.evaluate(
    ([within, values]) => axe.run(within, { runOnly: { type: 'tag', values }, resultTypes: ['violations', 'incomplete'] }),
    [within, TAGS],
  )
  assert.notEqual(passes.length, 0, `axe looked at nothing within ${within}`)
  const untold = within === 'html' ? [] : incomplete.filter(({ id }) => id === 'color-contrast')
  return violations.concat(untold).flatMap(({ id, help, nodes }) =>
    nodes.map(({ target, failureSummary }) => `${id} (${help}): ${target.flat().join(' ')}: ${failureSummary}`))
}

// Fails where axe finds anything within a selector.
export async function accessible(page, within = 'html') {
  assert.deepEqual(await faults(page, within), [])
}
