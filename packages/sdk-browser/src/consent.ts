// What a visitor agreed to. What follows from it is decided by the server, purpose by purpose; here it is only decided
// whether anything may leave the page at all.

import { ANSWER, type Storage } from './storage.ts'
import { attempt } from './guard.ts'

/** Purposes and whether they are granted, by the keys that the workspace gives them. */
export type Purposes = Record<string, boolean>

/** Whether a visitor who was not asked is treated by the workspace's defaults, or is left alone. */
export type ConsentMode = 'assumed' | 'required'

export type State =
  /** Nobody answered, and nothing may be kept or sent until somebody does. */
  | 'waiting'
  /** What is sent says what was agreed to. */
  | 'open'
  /** Everything was refused. */
  | 'closed'

export interface Consent {
  state(): State
  /** What was answered; `undefined` where nobody was asked. */
  answer(): Purposes | undefined
  /** Takes in an answer, on top of earlier ones. */
  take(purposes: Purposes): void
}

export function openConsent(mode: ConsentMode, storage: Storage): Consent {
  let answer = read(storage.get(ANSWER))
  return {
    answer: () => answer,
    state() {
      if (!answer) return mode === 'required' ? 'waiting' : 'open'
      return Object.values(answer).some(Boolean) ? 'open' : 'closed'
    },
    take(purposes) {
      answer = { ...answer, ...purposes }
      // That somebody refused has to be known, lest they be asked on every page.
      storage.keep(ANSWER, JSON.stringify(answer))
    },
  }
}

/** An answer as it is kept: who changed it by hand is asked again. */
function read(text: string | undefined): Purposes | undefined {
  const answer: unknown = text && attempt(() => JSON.parse(text))
  if (!answer || typeof answer !== 'object') return undefined
  const said = Object.entries(answer).filter((entry): entry is [string, boolean] => typeof entry[1] === 'boolean')
  return said.length ? Object.fromEntries(said) : undefined
}
