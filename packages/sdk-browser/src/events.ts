// Events on their way: in batches, again after a failure, and by a beacon when the page goes.

import type { Purposes } from './consent.ts'
import { attempt, listen, parsed } from './guard.ts'
import { UNSENT, type Storage } from './storage.ts'

/** An event as the server takes it. */
export interface Message {
  type: 'track' | 'page' | 'identify' | 'group'
  messageId: string
  timestamp: string
  context: { consent: { categoryPreferences?: Purposes | undefined }; [member: string]: unknown }
  [member: string]: unknown
}

export interface Server {
  url: string
  writeKey: string
}

export interface Queue {
  add(message: Message): void
  /** Drops what waits, and sends one event after which nothing comes. */
  end(last?: Message): void
  /** Sends what waits, now; done when it was tried. */
  flush(): Promise<void>
  /** Holds everything back, or lets it go with what was agreed to. */
  hold(isHeld: boolean, consents: Purposes | undefined): void
}

/** Events wait so long for others, in milliseconds. */
const WAIT_MS = 1_000
/** Most events of a batch: as many as usually fit what browsers carry on with when a page goes. */
const BATCH_MAX = 30
/** Most bytes that they carry on with, less some for what else is on its way. */
const BEACON_BYTES = 60_000
/** Most events that wait; the oldest go first. */
const WAITING_MAX = 500
/** Most events that are kept for another page. */
const KEPT_MAX = 100
/** A failure is followed by a pause that doubles from this on, up to five minutes, in milliseconds. */
const PAUSE_MS = 1_000
const PAUSE_MS_MAX = 300_000

export function openQueue(server: Server, storage: Storage): Queue {
  let waiting: Message[] = []
  let sending: Message[] = []
  let isHeld = true
  let failures = 0
  let timer: ReturnType<typeof setTimeout> | undefined

  const later = (delay: number): void => {
    timer ??= setTimeout(() => {
      timer = undefined
      void send()
    }, delay)
  }

  const send = (): Promise<void> => sendBatch().catch(() => undefined)

  async function sendBatch(): Promise<void> {
    if (isHeld || sending.length || !waiting.length) return
    sending = waiting.splice(0, BATCH_MAX)
    const pause = await post(server, sending)
    if (pause === undefined) {
      failures = 0
    } else {
      waiting = sending.concat(waiting)
      failures += 1
    }
    sending = []
    if (waiting.length) later(pause === undefined ? 0 : Math.max(pause, backoff(failures)))
  }

  /** Hands everything to the browser, which sends it after the page has gone; what it does not take is kept. */
  function leave(): void {
    while (!isHeld && waiting.length) {
      const batch = waiting.slice(0, BATCH_MAX)
      const isTaken = navigator.onLine &&
        attempt(() => navigator.sendBeacon(`${server.url}/beacon/v1/batch`, packet(server, batch)))
      if (!isTaken) break
      waiting.splice(0, batch.length)
    }
    // What is on its way may be lost with the page; the server knows a second copy by its id.
    const unsent = (navigator.onLine ? [] : sending).concat(waiting)
    if (!isHeld && unsent.length) {
      storage.set(UNSENT, JSON.stringify(kept().concat(unsent).slice(-KEPT_MAX)))
      waiting = []
    }
  }
  const kept = (): Message[] => parsed<Message[]>(storage.get(UNSENT)) ?? []

  /** Takes back what was kept. */
  function resume(): void {
    if (isHeld) return
    waiting = kept().concat(waiting)
    storage.set(UNSENT, undefined)
    if (waiting.length) later(0)
  }

  listen(window, 'pagehide', leave)
  listen(document, 'visibilitychange', () => (document.hidden ? leave() : resume()))
  listen(window, 'online', () => {
    failures = 0
    resume()
  })
  return {
    add(message) {
      waiting.push(message)
      if (WAITING_MAX < waiting.length) waiting.shift()
      later(BATCH_MAX <= waiting.length ? 0 : WAIT_MS)
    },
    end(last) {
      waiting = sending = []
      if (last) void post(server, [last])
    },
    flush: send,
    hold(held, consents) {
      isHeld = held
      // What was done before the answer is of somebody who has answered.
      for (const { context } of waiting) context.consent.categoryPreferences ??= consents
      resume()
    },
  }
}

/** A batch as it is sent. As plain text a browser asks no leave before, and the server reads JSON whatever it is called. */
const packet = ({ writeKey }: Server, batch: Message[]): Blob =>
  new Blob([JSON.stringify({ writeKey, sentAt: new Date().toISOString(), batch })], { type: 'text/plain' })

/** Sends a batch; the milliseconds to wait before it is sent again, `undefined` where it is done with. */
async function post(server: Server, batch: Message[]): Promise<number | undefined> {
  try {
    const body = packet(server, batch)
    const keepalive = body.size < BEACON_BYTES
    const { status, headers } = await fetch(`${server.url}/v1/batch`, { method: 'POST', body, keepalive })
    // What the server refuses for good it would refuse again.
    if (status !== 429 && status !== 408 && status < 500) return undefined
    return (Number(headers.get('retry-after')) || 0) * 1_000
  } catch {
    return 0
  }
}

const backoff = (failures: number): number =>
  Math.min(PAUSE_MS * 2 ** failures, PAUSE_MS_MAX) * (0.5 + Math.random() / 2)
