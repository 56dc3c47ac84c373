// Google's consent mode, version 2: either Google's tags are told what visitors answered, or Concierge is told what a
// dialogue says to Google's tags. One of the two, so that nobody's answer goes round in circles.

import type { ConsentClient } from './consent-client.ts'
import type { Purposes } from './consent.ts'
import { attempt } from './guard.ts'
import { combine, openRelay } from './relay.ts'

export interface GoogleOptions {
  /** Whose dialogue visitors answer: one that tells Concierge (the usual case), or one that tells Google. */
  source?: 'concierge' | 'google'
  /** Google's types that each purpose of Concierge rests on. */
  purposes?: Record<string, string[]>
  /** The name of the page's data layer; `dataLayer` when absent. */
  dataLayer?: string
}

/** The same as the server takes. */
const PURPOSES: Record<string, string[]> = {
  analytics: ['analytics_storage'],
  personalization: ['personalization_storage'],
  advertising: ['ad_storage', 'ad_user_data', 'ad_personalization'],
}
const WORDS: Record<string, boolean> = { granted: true, denied: false }

/** Follows answers. Answers with what ends that. */
export function followGoogle(concierge: ConsentClient, options: GoogleOptions = {}): () => void {
  const { source, purposes = PURPOSES, dataLayer = 'dataLayer' } = options
  const page = window as unknown as Record<string, unknown[] | undefined>
  const layer = (page[dataLayer] ??= [])
  return source === 'google' ? hear(concierge, layer, purposes) : tell(concierge, layer, purposes)
}

/** Tells Google's tags what was answered, as soon as that is known and whenever it changes. */
function tell(concierge: ConsentClient, layer: unknown[], purposes: Record<string, string[]>): () => void {
  let before = ''
  // Google's tags take a command for one only if it is an `arguments` object.
  function gtag(..._command: unknown[]): void {
    layer.push(arguments)
  }
  const end = concierge.onConsent((answer) => {
    const types = typesOf(answer ?? {}, purposes)
    const text = JSON.stringify(types)
    if (text === '{}' || text === before) return
    before = text
    gtag('consent', 'update', types)
  })
  return () => end?.()
}

/** A type that several purposes rest on is granted when all of them are. */
function typesOf(answer: Purposes, purposes: Record<string, string[]>): Record<string, string> {
  const types: Record<string, string> = {}
  for (const type of new Set(Object.values(purposes).flat())) {
    const resting = Object.keys(purposes).filter((purpose) => purposes[purpose]!.includes(type))
    const granted = combine(resting.map((purpose) => answer[purpose]))
    if (granted !== undefined) types[type] = granted ? 'granted' : 'denied'
  }
  return types
}

/** Hears what a dialogue says to Google's tags. */
function hear(concierge: ConsentClient, layer: unknown[], purposes: Record<string, string[]>): () => void {
  const relay = openRelay(concierge)
  const types: Record<string, boolean> = {}
  const answered = new Set<string>()
  let isHeard = true

  function read(command: unknown): void {
    const [name, kind, said] = Array.from(command as ArrayLike<unknown>)
    if (name !== 'consent' || !said || typeof said !== 'object') return
    const isAnswer = kind === 'update'
    // What holds in some regions alone may not hold here. A default is nobody's answer; it only completes one.
    if (!isAnswer && (kind !== 'default' || 'region' in said)) return
    for (const [type, word] of Object.entries(said)) {
      const granted = WORDS[word as string]
      if (granted === undefined) continue
      types[type] = granted
      if (isAnswer) answered.add(type)
    }
    if (isAnswer) relay.say(purposesOf())
  }
  function purposesOf(): Purposes {
    const said: Purposes = {}
    for (const [purpose, needed] of Object.entries(purposes)) {
      const granted = combine(needed.map((type) => types[type]))
      if (granted !== undefined && needed.some((type) => answered.has(type))) said[purpose] = granted
    }
    return said
  }
  layer.forEach((command) => attempt(() => read(command)))
  const push = layer.push
  layer.push = function (...commands) {
    if (isHeard) commands.forEach((command) => attempt(() => read(command)))
    return push.apply(this, commands)
  }
  return () => {
    isHeard = false
    relay.end()
  }
}
