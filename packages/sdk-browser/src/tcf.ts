// Consent that was given in a dialogue of the IAB's Transparency and Consent Framework, version 2, as its CMP API tells
// it to scripts of the page. It says the same as the framework's string does to the server.

import type { ConsentClient } from './consent-client.ts'
import type { Purposes } from './consent.ts'
import { attempt, listen } from './guard.ts'
import { combine, openRelay } from './relay.ts'

export interface TcfOptions {
  /** The framework's purposes that each purpose of Concierge rests on; visitors have to consent to all of them. */
  purposes?: Record<string, number[]>
  /** A vendor of the Global Vendor List whom visitors have to consent to as well. */
  vendor?: number
  /** What is answered where the GDPR does not apply; nothing when absent. */
  elsewhere?: Purposes
}

/** The same as the server takes: 1 is to store on the device, 2 to 4 advertising, 5 and 6 content, 8 its measurement. */
const PURPOSES: Record<string, number[]> = {
  analytics: [1, 8],
  personalization: [1, 5, 6],
  advertising: [1, 2, 3, 4],
}

/** What the framework calls `TCData`, as far as it is read. */
interface TcData {
  gdprApplies?: boolean
  eventStatus?: string
  listenerId?: number
  purpose?: { consents?: Record<string, boolean> }
  vendor?: { consents?: Record<string, boolean> }
}
type Api = (command: string, version: 2, callback: (data: TcData, isDone: boolean) => void, parameter?: number) => void

/** Follows the dialogue. Answers with what ends that. */
export function followTcf(concierge: ConsentClient, options: TcfOptions = {}): () => void {
  const relay = openRelay(concierge)
  let listener: number | undefined
  let isFollowing = false
  const api = (): Api | undefined => (window as { __tcfapi?: Api }).__tcfapi

  function hear(data: TcData, isDone: boolean): void {
    if (!isDone) return
    listener = data.listenerId
    const said = answers(data, options)
    if (said) relay.say(said)
  }
  function follow(): void {
    if (isFollowing || !api()) return
    isFollowing = true
    api()!('addEventListener', 2, (data, isDone) => attempt(() => hear(data, isDone)))
  }
  attempt(follow)
  // The framework asks for a stub of its function before other scripts, and pages put it later all the same.
  listen(document, 'DOMContentLoaded', follow)
  listen(window, 'load', follow)
  return () => {
    isFollowing = true
    relay.end()
    if (listener !== undefined) attempt(() => api()?.('removeEventListener', 2, () => undefined, listener))
  }
}

/** What a visitor has answered; `undefined` where they have not, or nobody may ask. */
function answers(data: TcData, { purposes = PURPOSES, vendor, elsewhere }: TcfOptions): Purposes | undefined {
  if (data.gdprApplies === false) return elsewhere
  // While its dialogue is shown, everything that was not answered yet is told as refused.
  if (data.eventStatus !== 'tcloaded' && data.eventStatus !== 'useractioncomplete') return undefined
  const isVendorAgreed = vendor === undefined || !!data.vendor?.consents?.[vendor]
  const said = Object.entries(purposes).map(([purpose, numbers]) => {
    const consents = numbers.map((number) => !!data.purpose?.consents?.[number])
    return [purpose, isVendorAgreed && !!combine(consents)]
  })
  return Object.fromEntries(said)
}
