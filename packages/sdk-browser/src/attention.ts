// How long somebody was active on a page and how much of it they saw, in one event when they leave it. Nothing is
// measured unless its own purpose was agreed to.

import { ACTIVITY, listen } from './guard.ts'

/** What the page got until now, `undefined` where that is nothing; from here on it is another page. */
export type Attention = () => Record<string, number> | undefined

/** Nobody is there who did nothing for so long, in milliseconds. */
const IDLE_MS = 10_000
/** How often the clock is read, in milliseconds. */
const TICK_MS = 1_000
/** Somebody who is active but points and types nothing for so long, and then goes on, has hesitated. */
const HESITATION_MS = 3_000

export function measureAttention(): Attention {
  let active = 0
  let seen = 0
  let hesitations = 0
  let last = performance.now()

  const act = (): void => {
    const now = performance.now()
    if (HESITATION_MS < now - last && now - last < IDLE_MS) hesitations += 1
    last = now
  }
  for (const type of ACTIVITY) listen(window, type, act)
  setInterval(() => {
    if (document.hidden || IDLE_MS < performance.now() - last) return
    active += TICK_MS / 1_000
    const height = document.documentElement.scrollHeight
    seen = Math.max(seen, height ? Math.min(1, (scrollY + innerHeight) / height) : 0)
  }, TICK_MS)
  return () => {
    const taken = { active_seconds: active, seen: Math.round(seen * 100) / 100, hesitations }
    active = seen = hesitations = 0
    last = performance.now()
    return taken.active_seconds ? taken : undefined
  }
}
