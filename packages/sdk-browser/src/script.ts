// The script of a tag. `concierge` is a function from the start: what a page calls before this has loaded is kept by the
// snippet in `concierge.q`, and done here in the same order.

import { attempt } from './guard.ts'
import { drop } from './hide.ts'
import { start, type Concierge, type Options } from './start.ts'

type Call = [name: keyof Concierge | 'start', ...rest: unknown[]]

interface Snippet {
  (...call: Call): unknown
  q?: ArrayLike<unknown>[]
  /** When the snippet ran, by `performance.now`. */
  t?: number
  /** Whether it is the client already. */
  r?: boolean
  /** The style sheet by which it hides what is marked. */
  s?: CSSStyleSheet
}

const arrived = performance.now()
const page = window as unknown as { concierge?: Snippet; conciergeOptions?: Options }

const begin = (): unknown => attempt(() => {
  const snippet = page.concierge
  if (snippet?.r) return
  // What it has waited of its own accord makes nothing late.
  const since = snippet?.t && snippet.t + performance.now() - arrived
  let running: Concierge | undefined
  const concierge: Snippet = (name, ...rest) =>
    attempt(() => {
      if (name === 'start') return (running ??= start(rest[0] as Options, since))
      const method = running?.[name] as ((...rest: unknown[]) => unknown) | undefined
      return method?.(...rest)
    })
  concierge.r = true
  page.concierge = concierge
  if (page.conciergeOptions) concierge('start', page.conciergeOptions)
  // Only now, so that nothing shows in between.
  drop(snippet?.s)
  for (const call of snippet?.q ?? []) concierge(...(Array.from(call) as Call))
})

// Where a server has made everything that it decided, there is no hurry, and the page is painted first.
if (document.hidden || !document.querySelector('#concierge-decisions[data-made]')) begin()
else requestAnimationFrame(() => setTimeout(begin))
