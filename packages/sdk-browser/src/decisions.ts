// What the server decides for a page.

import type { Change, Place } from './changes.ts'
import { parsed } from './guard.ts'
import type { Server } from './events.ts'
import type { Content } from './slots.ts'
import type { Trigger } from './trigger.ts'

/** What is shown in a placement, and why. */
export interface Decision {
  id: string
  placement: string
  experience: string | null
  variant: string | null
  content: (Content & { changes?: Change[]; redirect?: string }) | null
  reason: string
  propensity: number
  /** Brought back with what became of it; absent where nothing is recorded. */
  token?: string
  /** The places that must be there for any variant of the experience, the control included. */
  places?: Place[]
  /** What the page waits for before it shows anything of the experience. */
  trigger?: Trigger
}

/** How long an answer is waited for, in milliseconds. */
const ANSWER_MS_MAX = 10_000

/** The decisions that a server has rendered for the page that is open, if it has. They are there once. */
export function inlined(): Decision[] | undefined {
  const element = document.querySelector('script#concierge-decisions')
  const answer = parsed(element?.textContent)
  element?.remove()
  return decisionsOf(answer)
}

/** Asks for the decisions of a page; `undefined` where none can be had. */
export async function ask(server: Server, request: object): Promise<Decision[] | undefined> {
  try {
    const answer = await fetch(`${server.url}/v1/decide`, {
      method: 'POST',
      // A browser without it waits as long as it does for anything.
      signal: AbortSignal.timeout?.(ANSWER_MS_MAX) ?? null,
      body: JSON.stringify({ write_key: server.writeKey, ...request }),
    })
    return answer.ok ? decisionsOf(await answer.json()) : undefined
  } catch {
    return undefined
  }
}

function decisionsOf(answer: unknown): Decision[] | undefined {
  const decisions = (answer as { decisions?: unknown } | undefined)?.decisions
  return Array.isArray(decisions) ? decisions : undefined
}
