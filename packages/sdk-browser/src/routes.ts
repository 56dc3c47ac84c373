// Pages that change their address without being loaded again.

import { attempt, listen } from './guard.ts'

/** Calls whenever the path or the query has changed. */
export function onRoute(changed: () => void): void {
  let last = address()
  const look = (): void => {
    if (last === address()) return
    last = address()
    changed()
  }
  for (const name of ['pushState', 'replaceState'] as const) {
    const original = history[name]
    history[name] = function (...sent: Parameters<typeof original>): void {
      original.apply(this, sent)
      attempt(look)
    }
  }
  listen(window, 'popstate', look)
}

const address = (): string => location.pathname + location.search
