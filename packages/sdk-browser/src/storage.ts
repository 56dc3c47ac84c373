// What a device remembers. Nothing is written before consent allows it; until then this page remembers it alone.

import { attempt } from './guard.ts'

/** Who the visitor is. The name is that of other clients and of the server's redirects, so they all mean the same one. */
export const VISITOR = 'ajs_anonymous_id'
/** Who they said they are. */
export const USER = 'ajs_user_id'
/** What they answered when they were asked for consent. */
export const ANSWER = 'concierge_consent'
/** What is hidden on pages that were seen, until it is decided. */
export const HIDDEN = 'concierge_hidden'
/** A preview's token: a parameter of the address that brings it, and where a tab keeps it. */
export const PREVIEW = 'concierge_preview'
/** Events that could not be sent. */
export const UNSENT = 'concierge_unsent'

/** How long a browser keeps the visitor's cookie, in seconds: 365 days. */
const COOKIE_SECONDS = 31_536_000

/** Names and texts. */
export interface Storage {
  get(name: string): string | undefined
  /** `undefined` removes it. Answers with what was set. */
  set<Value extends string | undefined>(name: string, value: Value): Value
  /** Keeps something that has to be kept whatever was agreed to. */
  keep(name: string, value: string): void
  /** From now on what is set is kept by the browser, with everything that was set before. */
  allow(): void
  /** Removes everything, and keeps nothing from now on but what is set for this page. */
  forget(): void
}

export function openStorage(): Storage {
  const page = new Map<string, string>()
  let isAllowed = false
  let cookies: string | undefined
  /** Another process is asked for them, so that is done once for all that happens in one go. */
  function visitorOfCookie(): string | undefined {
    if (cookies === undefined) {
      cookies = document.cookie
      queueMicrotask(() => (cookies = undefined))
    }
    return /(?:^|; )ajs_anonymous_id=(?:%22)?([\w.:-]+)/.exec(cookies)?.[1]
  }

  const keep = (name: string, value: string | undefined): void => {
    attempt(() => {
      if (value === undefined) delete localStorage[name]
      else localStorage[name] = value
    })
    // Servers lead visitors on by them, and render for them, before any script runs.
    if (name === VISITOR) attempt(() => (document.cookie = cookie(name, value)))
    if (name === ANSWER) attempt(() => (document.cookie = cookie(name, value && encodeURIComponent(value))))
    cookies = undefined
  }
  return {
    get(name) {
      const kept = (name === VISITOR ? attempt(visitorOfCookie) : undefined) ?? stored(name)
      // Another tab may have changed what the browser keeps.
      return isAllowed ? kept ?? page.get(name) : page.get(name) ?? kept
    },
    set(name, value) {
      if (value === undefined) page.delete(name)
      else page.set(name, value)
      if (isAllowed || value === undefined) keep(name, value)
      return value
    },
    keep,
    allow() {
      isAllowed = true
      page.forEach((value, name) => keep(name, value))
    },
    forget() {
      isAllowed = false
      page.clear()
      for (const name of [VISITOR, USER, UNSENT, HIDDEN]) keep(name, undefined)
    },
  }
}

const stored = (name: string): string | undefined =>
  attempt<string | undefined>(() => localStorage[name])?.replace(/^"|"$/g, '') || undefined

function cookie(name: string, value: string | undefined): string {
  const secure = location.protocol === 'https:' ? '; Secure' : ''
  return `${name}=${value ?? ''}; Path=/; Max-Age=${value ? COOKIE_SECONDS : 0}; SameSite=Lax${secure}`
}
