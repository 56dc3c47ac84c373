// What an experience waits for on a page, before any of its variants is shown.

import { ACTIVITY, attempt, listen } from './guard.ts'

export interface Trigger {
  on: 'exit' | 'scroll' | 'idle' | 'delay'
  /** How much of the page's height has to be seen. */
  percent?: number
  /** How long the page has to be open, or the visitor idle, in milliseconds. */
  ms?: number
}

/** Calls once it has happened; answers with what waits no more. */
export function when({ on, percent, ms }: Trigger, happened: () => void): () => void {
  const waiting = new AbortController()
  let timer: ReturnType<typeof setTimeout>
  const end = (): void => {
    clearTimeout(timer)
    waiting.abort()
  }
  const go = (): void => {
    end()
    attempt(happened)
  }
  const hear = (type: string, heard: (event: MouseEvent) => void): void => listen(window, type, heard, waiting.signal)
  const wait = (): void => {
    clearTimeout(timer)
    timer = setTimeout(go, ms)
  }
  const look = (): void => {
    if (percent! * document.documentElement.scrollHeight <= (scrollY + innerHeight) * 100) go()
  }
  if (on === 'exit') {
    hear('mouseout', ({ relatedTarget, clientY }) => !relatedTarget && clientY <= 0 && go())
    // Whoever has no pointer turns to something else.
    hear('visibilitychange', () => document.hidden && go())
  } else if (on === 'scroll') {
    hear('scroll', look)
    look()
  } else {
    wait()
    if (on === 'idle') ACTIVITY.forEach((type) => hear(type, wait))
  }
  return end
}
