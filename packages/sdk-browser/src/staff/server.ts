// What whoever holds a preview's link may ask the server.

import type { Server } from '../events.ts'
import type { Decision } from '../decisions.ts'

export interface Preview {
  profile?: string
  persona?: { traits?: Record<string, unknown> }
  variants?: Record<string, string>
  drafts?: string[]
  at?: string
  debug?: boolean
}

/** An experience and what can be shown of it. */
export interface Choice {
  key: string
  name: string | null
  state: string
  variants: string[]
}

export interface Looked {
  preview: Preview
  expires_at: string
  experiences: Choice[]
  /** A link to the variants that were asked for. */
  token?: string
}

export type Truth = 'true' | 'false' | 'withheld'

/** One step of an explanation. */
export interface Step {
  stage: string
  experience?: string
  text: string
  /** Whether a gate let the experience through; absent on steps that only tell. */
  truth?: Truth
  /** The part of a rule it is about. */
  pointer?: string
  valid_until?: string
}

export type Explained = Decision & { explanation: Step[] }
export interface Answer {
  decisions: Explained[]
  context: Record<string, unknown>
}

/** Why the server answers nothing, in its words. */
export class Refused extends Error {}

export const look = (server: Server, preview: string, more: object = {}): Promise<Looked> =>
  post(`${server.url}/v1/preview`, { preview, ...more }) as Promise<Looked>

export const explain = (server: Server, request: object): Promise<Answer> =>
  post(`${server.url}/v1/decide`, { write_key: server.writeKey, explain: true, record: false, ...request }) as
    Promise<Answer>

async function post(url: string, body: object): Promise<unknown> {
  const answer = await fetch(url, { method: 'POST', body: JSON.stringify(body) })
  if (answer.ok) return answer.json()
  const said = await answer.json().catch(() => ({})) as { detail?: unknown }
  throw new Refused(typeof said.detail === 'string' ? said.detail : `the server answers with ${answer.status}`)
}
