// Tells the client what visitors answered elsewhere, in the dialogue of somebody else.

import type { ConsentClient } from './consent-client.ts'
import type { Purposes } from './consent.ts'

export interface Relay {
  say(purposes: Purposes): void
  end(): void
}

/** Dialogues say on each page what was answered once; the client is told what differs from what it knows. */
export function openRelay(concierge: ConsentClient): Relay {
  let known: Purposes | undefined
  let isKnown = false
  let waiting: Purposes = {}

  function tell(): void {
    const fresh = Object.entries(waiting).filter(([purpose, granted]) => known?.[purpose] !== granted)
    waiting = {}
    if (fresh.length) concierge.consent(Object.fromEntries(fresh))
  }
  const end = concierge.onConsent((answer) => {
    known = answer
    if (isKnown) return
    isKnown = true
    tell()
  })
  return {
    say(purposes) {
      waiting = { ...waiting, ...purposes }
      if (isKnown) tell()
    },
    end: () => end?.(),
  }
}

/** A purpose that rests on several answers is granted when all of them are, and refused when one is. */
export function combine(answers: (boolean | undefined)[]): boolean | undefined {
  if (answers.includes(false)) return false
  return answers.length && answers.every(Boolean) ? true : undefined
}
