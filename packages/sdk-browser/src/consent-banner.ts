// A banner that asks visitors for consent, and a preference centre in which they choose by purpose and change their mind.
// Refusing is as easy as agreeing: one click each, and they look alike. Whoever has answered is not asked again.

import { textsIn, type OwnTexts } from './banner/texts.ts'
import { createView } from './banner/view.ts'
import type { ConsentClient } from './consent-client.ts'
import type { Purposes } from './consent.ts'
import { attempt } from './guard.ts'

export interface Purpose {
  /** Its key in the workspace. */
  key: string
  /** Whether Global Privacy Control and Do Not Track refuse it. */
  signals?: boolean
  /** Whether it is used until somebody refuses, as its default in the workspace may have it: it is then shown as on. */
  assumed?: boolean
}

export interface BannerOptions {
  /** What visitors are asked about; the four purposes of every workspace when absent. */
  purposes?: (Purpose | string)[]
  /** The language of its texts; that of the page when absent, else the browser's. */
  language?: string
  /** Texts in place of its own, by language. */
  texts?: OwnTexts
  /** The address of the site's privacy policy. */
  policy?: string
}

export interface ConsentBanner {
  /** Shows the banner, whatever was answered. */
  ask(): void
  /** Opens the preference centre. */
  open(): void
  /** Takes everything away. */
  end(): void
}

/** As in every workspace; messages are agreed to with the sender, so that no browser speaks about `marketing`. */
const PURPOSES: (Purpose | string)[] = [
  'analytics', 'personalization', 'marketing', { key: 'advertising', signals: true },
]
/** What opens the preference centre, such as a link at the foot of each page. */
const OPENER = 'data-concierge-consent'

/** Asks whoever has not answered, as soon as the client is there and the page has a body. */
export function openConsentBanner(concierge: ConsentClient, options: BannerOptions = {}): ConsentBanner {
  const hasSignal = signalOfBrowser()
  const purposes = (options.purposes ?? PURPOSES).map((one) => (typeof one === 'string' ? { key: one } : one))
  const choices = purposes.map(({ key, signals }) => ({ key, isBlocked: !!signals && hasSignal }))
  const languages = [options.language ?? '', document.documentElement.lang, ...navigator.languages]
  let answer: Purposes | undefined

  function say(isGranted: (key: string) => boolean): void {
    view.close()
    view.ask(false)
    const said = choices.map(({ key, isBlocked }) => [key, !isBlocked && isGranted(key)])
    concierge.consent(Object.fromEntries(said))
  }
  const isOn = (key: string): boolean =>
    answer?.[key] ?? purposes.some((purpose) => purpose.key === key && !!purpose.assumed)
  const open = (): void => void attempt(() => view.open(isOn))
  const view = createView(textsIn(languages, options.texts ?? {}), choices, options.policy, {
    acceptAll: () => say(() => true),
    refuseAll: () => say(() => false),
    open,
    save: say,
  })
  const ask = (isAsked: boolean): void => void attempt(() => view.ask(isAsked))

  const end = whenReady(() => concierge.onConsent((said) => {
    answer = said
    const isAnswered = purposes.every(({ key }) => said && key in said)
    // Whoever has their browser say no is not asked again by each site; they can still open the preference centre.
    if (isAnswered) ask(false)
    else if (!choices.some(({ isBlocked }) => isBlocked)) ask(true)
  }))
  const endOpeners = onOpener(open)
  return {
    ask: () => ask(true),
    open,
    end() {
      end()
      endOpeners()
      view.remove()
    },
  }
}

/** Whether the browser asks sites to leave its user alone: by Global Privacy Control or Do Not Track. */
function signalOfBrowser(): boolean {
  const { globalPrivacyControl, doNotTrack } = navigator as Navigator & { globalPrivacyControl?: boolean }
  return globalPrivacyControl === true || doNotTrack === '1'
}

/** Begins something when the page has a body; answers with what ends it. */
function whenReady(begin: () => (() => void) | undefined): () => void {
  let end: (() => void) | undefined
  const start = (): void => {
    end = attempt(begin)
  }
  if (document.body) start()
  else document.addEventListener('DOMContentLoaded', start, { once: true })
  return () => {
    document.removeEventListener('DOMContentLoaded', start)
    end?.()
  }
}

function onOpener(open: () => void): () => void {
  const hear = (event: Event): void => {
    const isOpener = event.composedPath().some((node) => node instanceof Element && node.hasAttribute(OPENER))
    if (!isOpener) return
    // A link may lead to a page that says the same without a script.
    event.preventDefault()
    open()
  }
  document.addEventListener('click', hear)
  return () => document.removeEventListener('click', hear)
}
