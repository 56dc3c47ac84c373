// The decisions of a page, as frameworks read them.

import type { Concierge } from './start.ts'
import type { Decision } from './decisions.ts'

export interface DecisionStore {
  /** What is decided for a placement: the same object for as long as it holds. */
  decision(placement: string): Decision | undefined
  /** What was decided for it before the page was rendered. */
  before(placement: string): Decision | undefined
  /** Calls whenever something is decided, and answers with what ends that. */
  subscribe(changed: () => void): () => void
}

const stores = new WeakMap<Concierge, DecisionStore>()

/** The store of a page's Concierge, one for each; without one, a store of what was decided before. */
export function decisionStore(concierge: Concierge | undefined, before: Decision[] = []): DecisionStore {
  const known = concierge && stores.get(concierge)
  if (known) return known
  let decisions = before
  const heard = new Set<() => void>()
  const store: DecisionStore = {
    decision: (placement) => decisions.find((one) => one.placement === placement),
    before: (placement) => before.find((one) => one.placement === placement),
    subscribe(changed) {
      heard.add(changed)
      return () => heard.delete(changed)
    },
  }
  if (!concierge) return store
  stores.set(concierge, store)
  concierge.onDecisions((found) => {
    decisions = found
    heard.forEach((changed) => changed())
  })
  return store
}
