// The part of the client that asks for consent and hears of it, as modules beside it have it: an object where a page is
// built with the module, and the function `concierge` where it has a tag.

import type { Concierge, HearConsent } from './start.ts'

export interface ConsentClient {
  consent: Concierge['consent']
  /** Hears of answers, at first as soon as the client is there. Only a client that is there says how to end that. */
  onConsent(hear: HearConsent): (() => void) | undefined
}

type Call = (name: string, ...rest: unknown[]) => unknown

/** The client of a tag, whether it has loaded or is yet to: until then calls are kept for it, as the snippet does. */
export function clientOfPage(): ConsentClient {
  const page = window as unknown as { concierge?: Call & { q?: unknown[] } }
  page.concierge ??= function (...call: unknown[]) {
    const kept = (page.concierge!.q ??= [])
    kept.push(call)
  }
  // Looked up anew each time: the client puts itself in place of what keeps calls.
  return {
    consent: (purposes) => void page.concierge!('consent', purposes),
    onConsent: (hear) => page.concierge!('onConsent', hear) as (() => void) | undefined,
  }
}
