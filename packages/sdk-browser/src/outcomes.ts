// What became of a decision on the page: applied, seen, missed. It is found out by the same rule for every variant, the
// control included: by the places that any of them needs.

import { find, type Fate, type Place } from './changes.ts'
import type { Decision } from './decisions.ts'

/** Something that became of a decision, as an event. */
export type Report = (event: string, decision: Decision, properties?: Record<string, unknown>) => void

/** So long a page has for bringing everything that a decision needs, in milliseconds. */
const READY_MS = 5_000
/** So long something is in view before it counts as seen, in milliseconds: a second, as advertisers have it. */
const SEEN_MS = 1_000
/** So much of it, or of the window, has to be in view. */
const SEEN_SHARE = 0.5

export interface Outcome {
  /** Looks at the page again. */
  look(): void
  /** Ends it, as the page goes. */
  end(): void
}

/** Follows what becomes of a decision that was shown, with what its changes met. */
export function follow(decision: Decision, places: Place[], fates: Fate[], report: Report): Outcome {
  let isApplied = false
  let timer: ReturnType<typeof setTimeout> | undefined
  const viewer = new IntersectionObserver((entries) => {
    const isSeen = entries.some(({ intersectionRatio, intersectionRect, rootBounds }) =>
      SEEN_SHARE <= intersectionRatio || (rootBounds && rootBounds.height * SEEN_SHARE <= intersectionRect.height))
    clearTimeout(timer)
    if (isSeen) timer = setTimeout(seen, SEEN_MS)
  }, { threshold: [0, 0.25, SEEN_SHARE, 0.75] })

  function seen(): void {
    if (document.visibilityState !== 'visible') return
    viewer.disconnect()
    report('Experience Viewed', decision)
  }
  const missing = (): string[] => places.filter((place) => !find(place).length).map(({ selector }) => selector)
  const deadline = setTimeout(() => {
    if (!isApplied) report('Experience Missed', decision, { reason: 'not_found', selectors: missing() })
  }, READY_MS)

  function look(): void {
    if (isApplied || missing().length) return
    isApplied = true
    clearTimeout(deadline)
    report('Experience Applied', decision)
    for (const place of places) find(place).slice(0, 1).forEach((element) => viewer.observe(element))
  }
  look()
  return {
    look,
    end() {
      clearTimeout(deadline)
      clearTimeout(timer)
      viewer.disconnect()
      const overwritten = fates.filter((fate) => fate.overwritten)
        .map(({ change, overwritten }) => ({ selector: change.selector, times: overwritten }))
      if (overwritten.length) report('Experience Overwritten', decision, { changes: overwritten })
    },
  }
}
