// What the server is told of the situation that a visitor is in, with events and when it decides.

import type { Purposes } from './consent.ts'
import { attempt } from './guard.ts'

export type Situation = {
  page: Record<string, unknown>
  locale: string
  timezone: string | undefined
  consent: { categoryPreferences: Purposes | undefined }
}

/** The page that is open, to which `referrer` led. */
export function pageNow(referrer: string): Record<string, unknown> {
  const { href: url, pathname: path, search } = location
  return { url, path, search, title: document.title, referrer }
}

interface Times {
  Temporal?: { Now: { timeZoneId(): string } }
}

/** Where the clock is. Browsers ask `Intl` for what it knows of languages first, which takes a tenth of a second on a
 * phone, so it is asked where there is nothing else. */
const timeZone = (): string =>
  (window as Times).Temporal?.Now.timeZoneId() ?? Intl.DateTimeFormat().resolvedOptions().timeZone

/** The situation on a page of a visitor who has given this answer about consent. */
export const situationOn = (page: Record<string, unknown>, answer: Purposes | undefined): Situation => ({
  page,
  locale: navigator.language,
  timezone: attempt(timeZone),
  consent: { categoryPreferences: answer },
})
