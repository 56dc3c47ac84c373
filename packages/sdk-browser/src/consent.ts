// What a visitor agreed to. What follows from it is decided by the server, purpose by purpose; here it is only decided
// whether anything may leave the page at all.

import { ANSWER, type Storage } from './storage.ts'
import { parsed } from './guard.ts'

/** Purposes and whether they are granted, by the keys that the workspace gives them. */
export type Purposes = Record<string, boolean>

/** Whether a visitor who was not asked is treated by the workspace's defaults, or is left alone. */
export type ConsentMode = 'assumed' | 'required'

/** Nobody answered, and nothing may be kept or sent until somebody does. */
export const WAITING = 0
/** What is sent says what was agreed to. */
export const OPEN = 1
/** Everything was refused. */
export const CLOSED = 2

export type State = typeof WAITING | typeof OPEN | typeof CLOSED

export interface Consent {
  state(): State
  /** What was answered; `undefined` where nobody was asked. */
  answer(): Purposes | undefined
  /** Takes in an answer, on top of earlier ones. */
  take(purposes: Purposes): void
}

export function openConsent(mode: ConsentMode, storage: Storage): Consent {
  let before: Purposes | undefined
  // Another tab may have answered meanwhile.
  const answer = (): Purposes | undefined => read(storage.get(ANSWER)) ?? before
  return {
    answer,
    state() {
      const said = answer()
      if (!said) return mode === 'required' ? WAITING : OPEN
      return Object.values(said).some(Boolean) ? OPEN : CLOSED
    },
    take(purposes) {
      const text = JSON.stringify({ ...answer(), ...purposes })
      before = read(text)
      // That somebody refused has to be known, lest they be asked on every page.
      if (before) storage.keep(ANSWER, text)
    },
  }
}

/** An answer, as far as it says yes or no to something. */
function read(text: string | undefined): Purposes | undefined {
  const said = Object.entries(parsed<object>(text) ?? {})
    .filter((entry): entry is [string, boolean] => typeof entry[1] === 'boolean')
  return said.length ? Object.fromEntries(said) : undefined
}
