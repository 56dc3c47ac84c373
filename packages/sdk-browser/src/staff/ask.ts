// What the client asks for this page, asked again with reasons.

import { CLOSED, WAITING, openConsent } from '../consent.ts'
import type { Server } from '../events.ts'
import { pageNow, situationOn } from '../situation.ts'
import type { Options } from '../start.ts'
import { USER, VISITOR, openStorage } from '../storage.ts'
import { Refused, explain, look, type Answer, type Choice } from './server.ts'

/** As many experiences as the server tells of at once. */
const EXPERIENCES_MAX = 200

/** What was decided for this page and why, and which variants there are of what was considered. */
export async function askWhy(server: Server, preview: string, options: Options | undefined): Promise<[Answer, Choice[]]> {
  const answer = await explain(server, { ...requestNow(options), preview })
  const steps = answer.decisions.flatMap(({ explanation }) => explanation)
  const considered = new Set(steps.flatMap(({ experience }) => experience ?? []))
  const { experiences } = await look(server, preview, { experiences: [...considered].slice(0, EXPERIENCES_MAX) })
  return [answer, experiences]
}

function requestNow(options: Options | undefined): object {
  const storage = openStorage()
  const consent = openConsent(options?.consent ?? 'assumed', storage)
  const state = consent.state()
  if (state === WAITING) throw new Refused('Nothing is decided before the visitor has answered what they agree to.')
  if (state === CLOSED) throw new Refused('The visitor has refused everything, so nothing is decided for them.')
  const [visitor, user] = [storage.get(VISITOR), storage.get(USER)]
  return {
    identifiers: { ...(visitor ? { anonymous_id: visitor } : {}), ...(user ? { user_id: user } : {}) },
    context: situationOn(pageNow(document.referrer), consent.answer()),
  }
}
