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
/** In so fine steps it is looked at: of something tall, half of a window is a small part. */
const THRESHOLDS = Array.from({ length: 51 }, (_, step) => step / 50)

export interface Outcome {
  /** What became of its changes. */
  fates: Fate[]
  /** Looks at the page again. */
  look(): void
  /** Ends it, as the page goes. */
  end(): void
}

/** Follows what becomes of a decision, from before its changes are made. */
export function follow(decision: Decision, places: Place[], report: Report): Outcome {
  // A place that was found once counts, since a change may be what keeps it from being found again.
  let missing = places
  const there: Element[] = []
  const inView = new Set<Element>()
  let timer: ReturnType<typeof setTimeout> | undefined
  const viewer = new IntersectionObserver((entries) => {
    for (const entry of entries) inView[isInView(entry) ? 'add' : 'delete'](entry.target)
    clearTimeout(timer)
    if (inView.size) timer = setTimeout(seen, SEEN_MS)
  }, { threshold: THRESHOLDS })

  function seen(): void {
    if (document.hidden) timer = setTimeout(seen, SEEN_MS)
    else {
      viewer.disconnect()
      report('Experience Viewed', decision)
    }
  }
  const deadline = setTimeout(() => {
    if (missing.length) {
      const selectors = missing.map(({ selector }) => selector)
      report('Experience Missed', decision, { reason: 'not_found', selectors })
    }
  }, READY_MS)
  const outcome: Outcome = {
    fates: [],
    look() {
      if (!missing.length) return
      missing = missing.filter((place) => {
        const [first] = find(place)
        if (first) there.push(first)
        return !first
      })
      if (missing.length) return
      clearTimeout(deadline)
      report('Experience Applied', decision)
      there.forEach((element) => viewer.observe(element))
    },
    end() {
      clearTimeout(deadline)
      clearTimeout(timer)
      viewer.disconnect()
      const changes = outcome.fates.filter((fate) => fate.overwritten)
        .map(({ change, overwritten }) => ({ selector: change.selector, times: overwritten }))
      if (changes.length) report('Experience Overwritten', decision, { changes })
    },
  }
  outcome.look()
  return outcome
}

const isInView = ({ intersectionRatio, intersectionRect, rootBounds }: IntersectionObserverEntry): boolean =>
  SEEN_SHARE <= intersectionRatio || (!!rootBounds && rootBounds.height * SEEN_SHARE <= intersectionRect.height)
