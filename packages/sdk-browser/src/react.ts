// React: what is decided for a placement, as a hook and as a component.
//
//   <ConciergeProvider concierge={start({ server, writeKey })}>
//     <Placement name="home_hero">{(content) => <Hero {...content} />}</Placement>
//   </ConciergeProvider>

import { createContext, createElement, useContext, useSyncExternalStore, type ReactNode } from 'react'

import { decisionStore, type DecisionStore } from './store.ts'
import type { Concierge } from './start.ts'
import type { Decision } from './decisions.ts'
import type { Content } from './slots.ts'

const Store = createContext<DecisionStore | undefined>(undefined)

export interface ProviderProps {
  /** What `start` answers with; none where a server renders. */
  concierge?: Concierge
  /** What the server has decided before it rendered, so that nothing changes when the browser takes over. */
  decisions?: Decision[]
  children?: ReactNode
}

/** Gives what is inside the decisions of the page. */
export function ConciergeProvider({ concierge, decisions, children }: ProviderProps): ReactNode {
  return createElement(Store.Provider, { value: decisionStore(concierge, decisions) }, children)
}

/** The decision for a placement; `undefined` until there is one. */
export function useDecision(placement: string): Decision | undefined {
  const store = useContext(Store)
  if (!store) throw new Error('usePlacement and Placement belong inside a ConciergeProvider')
  return useSyncExternalStore(store.subscribe, () => store.decision(placement), () => store.before(placement))
}

/** The content for a placement; `undefined` until it is decided, `null` where nothing is shown. */
export const usePlacement = <C extends Content = Content>(placement: string): C | null | undefined =>
  useDecision(placement)?.content as C | null | undefined

export interface PlacementProps {
  /** The placement's key. */
  name: string
  /** What is shown of its content; `null` where the default of the page is to be shown. */
  children: (content: Content | null) => ReactNode
  /** The element around it: `div` when absent. */
  as?: string
}

/** A placement: hidden in its box until it is decided, and found out about like any other. */
export function Placement({ name, children, as = 'div' }: PlacementProps): ReactNode {
  return createElement(as, { 'data-concierge': name }, children(usePlacement(name) ?? null))
}
