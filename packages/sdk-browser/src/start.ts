// One visitor on one page: what they do goes out, what is decided for them comes in, and both only as far as they
// agreed.

import type { Attention, measureAttention } from './attention.ts'
import { capture } from './capture.ts'
import { find, openChanges, type Change, type Place } from './changes.ts'
import { enliven } from './component.ts'
import { CLOSED, OPEN, openConsent, type ConsentMode, type Purposes } from './consent.ts'
import { ask, inlined, type Decision } from './decisions.ts'
import { openQueue, type Message } from './events.ts'
import { attempt, listen, newId } from './guard.ts'
import { SLOTS, hide, remember, selectorsFor, type Hidden } from './hide.ts'
import { follow, type Outcome, type Report } from './outcomes.ts'
import { onRoute } from './routes.ts'
import { isSafeAddress } from './sanitise.ts'
import { pageNow, situationOn } from './situation.ts'
import { filled, slotOf } from './slots.ts'
import { ANSWER, PREVIEW, USER, VISITOR, openStorage } from './storage.ts'
import { when } from './trigger.ts'

export interface Options {
  /** Where Concierge answers, as in `https://c.shop.example`. */
  server: string
  /** The write key of a public source. */
  writeKey: string
  /** Whether visitors who were not asked are treated by the workspace's defaults (the usual case), or left alone. */
  consent?: ConsentMode
  /** So long elements may be hidden, in milliseconds; 300 when absent, and at most. */
  timeout?: number
  /** What else is hidden until it is decided, beside elements that are marked for a placement. */
  hidden?: Hidden[]
  /** Whether a page view is sent for each page and route; yes when absent. */
  pageViews?: boolean
  /** The parameter of an address that has what was searched for on this site. */
  searchParameter?: string
  /** The purpose under which attention is measured; it is not when absent. */
  attention?: string
}

interface Module {
  measureAttention: typeof measureAttention
}

export type Properties = Record<string, unknown>
export type Hear = (decisions: Decision[]) => void
export type HearConsent = (purposes: Purposes | undefined) => void

export interface Concierge {
  track(event: string, properties?: Properties): void
  page(properties?: Properties): void
  identify(userId: string, traits?: Properties): void
  group(groupId: string, traits?: Properties): void
  /** Forgets who the visitor said they are: the next one at this device is somebody else. */
  reset(): void
  /** Takes in what the visitor answered. */
  consent(purposes: Purposes): void
  /** What they answered; `undefined` where they did not. */
  consents(): Purposes | undefined
  /** Hears of what they answer, here or in another tab; at once of what they did. Answers with what ends that. */
  onConsent(hear: HearConsent): () => void
  /** Decides anew for this page, by what was tracked before, too. */
  decide(): Promise<void>
  /** Hears of what each page is to show; at once of what this one is. Answers with what ends that. */
  onDecisions(hear: Hear): () => void
}

const HIDDEN_MS_MAX = 300
/** Frameworks set a page's title a moment after its address, and until then a page has better to do, in milliseconds. */
const TITLE_MS = 100
/** What was hidden is changed before it is shown, and painted so, lest the browser count it as moved. In milliseconds. */
const TWO_FRAMES_MS = 34
/** What a preview's token begins with where it only says why. */
const LIVE = '.'

/** Starts. `since` is when elements were first hidden, by `performance.now`. */
export function start(options: Options, since = performance.now()): Concierge {
  const server = { url: options.server.replace(/\/$/, ''), writeKey: options.writeKey }
  const storage = openStorage()
  const consent = openConsent(options.consent ?? 'assumed', storage)
  // Before the queue, which sends what there is when it hears of these.
  listen(window, 'pagehide', () => {
    viewed()
    leave()
  })
  listen(document, 'visibilitychange', () => document.hidden && tellAttention())
  const queue = openQueue(server, storage)
  const changes = openChanges()
  const patience = Math.min(options.timeout ?? HIDDEN_MS_MAX, HIDDEN_MS_MAX)
  const preview = previewOf()
  /** Whether what is done on the page is not what a visitor does. */
  const isQuiet = preview && preview[0] !== LIVE
  /** Loads what few need. It finds the write key in its own address, behind what is asked for. */
  const load = (name: string): Promise<unknown> => import(`${server.url}/sdk/modules/${name}.js#${server.writeKey}`)
  if (preview) load('staff').catch(() => undefined)
  let referrer = document.referrer
  /** What ends with what is shown. */
  let ends: (() => void)[] = []
  let decisions: Decision[] | undefined
  let decidedPath: string | undefined
  const hearers = new Set<Hear>()
  const consentHearers = new Set<HearConsent>()
  let attention: Attention | undefined
  /** Counts pages, so that an answer for one that was left is passed over. */
  let views = 0

  const visitor = (): string => storage.get(VISITOR) ?? storage.set(VISITOR, newId())
  const context = (page = pageNow(referrer)): Message['context'] => situationOn(page, consent.answer())
  const message = (type: Message['type'], said: Properties, page?: Properties): Message => ({
    type,
    messageId: newId(),
    timestamp: new Date().toISOString(),
    anonymousId: visitor(),
    userId: storage.get(USER),
    context: context(page),
    ...said,
  })
  function send(...said: Parameters<typeof message>): void {
    if (consent.state() === CLOSED || isQuiet) return
    // As it is now, whatever the page does with its objects; what cannot be sent holds nothing else up. A preview's link
    // is in the address, and is for nobody who reads events.
    attempt(() => queue.add(JSON.parse(JSON.stringify(message(...said)).split(preview!).join('')) as Message))
  }
  const track = (event: string, properties: Properties = {}, page?: Properties): void =>
    send('track', { event, properties }, page)

  function page(properties: Properties = {}): void {
    const page = pageNow(referrer)
    send('page', { properties: { ...page, ...properties } }, page)
    const query = options.searchParameter && new URLSearchParams(location.search).get(options.searchParameter)
    if (query) track('Products Searched', { query }, page)
  }

  const isMeasured = (): boolean => !!options.attention && !!consent.answer()?.[options.attention]

  function tellAttention(page = pageNow(referrer)): void {
    const read = attention?.()
    if (read && isMeasured()) track('Attention Measured', { path: page.path, ...read }, page)
  }

  function endOutcomes(): void {
    ends.forEach((end) => end())
    ends = []
  }

  /** Ends what was for a page. */
  function leave(page?: Properties): void {
    endOutcomes()
    tellAttention(page)
  }

  const decide = (since?: number): Promise<void> => decideFor(since).catch(() => undefined)

  /** Hands on what a page is to show. */
  function tell(found: Decision[]): void {
    decisions = found
    hearers.forEach((hear) => attempt(() => hear(found)))
  }

  function takeBack(): void {
    endOutcomes()
    changes.revert()
  }

  async function decideFor(shown = performance.now()): Promise<void> {
    if (consent.state() !== OPEN) return
    views += 1
    const asked = views
    const path = location.pathname
    // Where the page stays, what it shows stays until there is something else, however long that takes.
    const isNew = path !== decidedPath
    const selectors = isNew ? selectorsFor(path, options.hidden ?? []) : []
    let show = (): void => undefined
    if (isNew) {
      takeBack()
      show = hide([SLOTS, ...selectors])
      setTimeout(show, Math.max(0, patience - (performance.now() - shown)))
    }
    decidedPath = path
    const user = storage.get(USER)
    const given = !preview && inlined()
    const found = given || await ask(server, {
      identifiers: { anonymous_id: visitor(), ...(user ? { user_id: user } : {}) },
      context: context(),
      ...(preview ? { preview } : {}),
    })
    if (asked === views) {
      takeBack()
      // Whoever looks at a preview is to see it, at the price of a flicker.
      apply(found ?? [], isNew && !preview && patience < performance.now() - shown)
    }
    if (given) show()
    else setTimeout(show, TWO_FRAMES_MS)
    if (isNew) remember(storage, path, selectors)
  }

  /** Shows what was decided, as far as the page is to show it. */
  function apply(found: Decision[], isLate: boolean): void {
    const shown = found.filter((decision) => attempt(() => admit(decision, isLate)))
    const followed = (decision: Decision) => [decision, follow(decision, placesOf(decision), report)] as const
    // All are looked at as the page is, before any of them changes it.
    const soon = shown.filter((decision) => !decision.trigger)
    soon.map(followed).forEach((one) => show(...one))
    tell(soon)
    for (const decision of shown.filter(({ trigger }) => trigger)) {
      ends.push(when(decision.trigger!, () => {
        show(...followed(decision))
        tell([...decisions ?? [], decision])
      }))
    }
  }

  function show(decision: Decision, outcome: Outcome): void {
    const { placement, content } = decision
    const declared = changesOf(content)
    const made = (element: Element): void => enliven(element, {
      say: (event, properties) => report(event, decision, properties),
      learn: (traits) => send('identify', { traits }),
      // Whoever looks at a preview answers for nobody.
      refuse: () => isQuiet || agree({ personalization: false }),
    })
    const fates = changes.make(declared.concat(content ? filled(placement, content) : []), made)
    outcome.fates = fates.slice(0, declared.length)
    ends.push(outcome.end)
    changes.watch(outcome.look)
  }

  const report: Report = (event, { id, experience, variant, placement, token }, properties) => {
    if (experience && token) track(event, { placement, experience, variant, decision_id: id, token, ...properties })
  }

  /** Whether the page is to show a decision: not where the visitor would see it change, or leaves. */
  function admit(decision: Decision, isLate: boolean): boolean {
    if (isLate && !decision.trigger && placesOf(decision).some(isSeen)) {
      report('Experience Missed', decision, { reason: 'late' })
      return false
    }
    const to = decision.content?.redirect
    return !to || !isSafeAddress(to) || redirect(to, () => report('Experience Applied', decision))
  }

  /** Begins or ends whatever the state of consent allows. */
  function settle(): void {
    const state = consent.state()
    if (state === OPEN) storage.allow()
    queue.hold(state !== OPEN, consent.answer())
    consentHearers.forEach((hear) => attempt(() => hear(consent.answer())))
    if (isMeasured() && !attention) {
      // Nothing, until what measures it is there.
      attention = () => undefined
      load('attention').then((module) => (attention = (module as Module).measureAttention()), () => undefined)
    }
    if (state !== CLOSED) return
    views += 1
    storage.forget()
    takeBack()
    tell([])
  }

  function agree(purposes: Purposes): void {
    const wasOpen = consent.state() === OPEN
    consent.take(purposes)
    if (!consent.answer()) return
    const said = { event: 'Consent Updated', properties: {} }
    if (consent.state() === OPEN) send('track', said)
    // The server is told of a refusal by whoever it may know already, and by nobody else.
    else queue.end(wasOpen && !isQuiet ? message('track', said) : undefined)
    settle()
    void decide()
  }

  settle()
  // First of all, since it is waited for.
  void decide(since)
  setTimeout(() => attempt(() => {
    capture(track)
    // Who comes again is known for another year.
    storage.set(VISITOR, visitor())
  }))
  let before = pageNow(referrer)
  let titled: ReturnType<typeof setTimeout> | undefined
  function enter(): void {
    before = pageNow(referrer)
    // What a server has decided is for the page that it rendered.
    inlined()
    void decide()
    view()
  }
  /** Tells of the page in a moment. */
  function view(): void {
    clearTimeout(titled)
    if (options.pageViews !== false) titled = setTimeout(viewed, TITLE_MS)
  }
  function viewed(): void {
    if (titled) attempt(page)
    clearTimeout(titled)
    titled = undefined
  }
  onRoute(() => {
    leave(before)
    referrer = String(before.url)
    enter()
  })
  // Whoever comes back finds the page as they left it, if the browser has kept it; but they may have refused meanwhile.
  listen(window, 'pageshow', (event) => {
    if (!(event as PageTransitionEvent).persisted) return
    settle()
    enter()
  })
  listen(window, 'storage', (event) => {
    if ((event as StorageEvent).key !== ANSWER) return
    settle()
    void decide()
  })
  view()

  return {
    track,
    page,
    identify(userId, traits = {}) {
      storage.set(USER, userId)
      send('identify', { userId, traits })
    },
    group: (groupId, traits = {}) => send('group', { groupId, traits }),
    reset() {
      storage.set(USER, undefined)
      storage.set(VISITOR, undefined)
      void decide()
    },
    consent: agree,
    consents: () => consent.answer(),
    onConsent(hear) {
      consentHearers.add(hear)
      hear(consent.answer())
      return () => consentHearers.delete(hear)
    },
    // What was told of the visitor a moment before counts.
    decide: () => queue.flush().then(() => decide()),
    onDecisions(hear) {
      hearers.add(hear)
      if (decisions) hear(decisions)
      return () => hearers.delete(hear)
    },
  }
}

/** The changes that content declares. */
export const changesOf = (content: Decision['content']): Change[] => (Array.isArray(content?.changes) ? content.changes : [])

/** The places of a page by which it is found out whether a decision could be shown. */
export function placesOf({ content, placement, places }: Decision): Place[] {
  const declared = changesOf(content)
  return places ?? (declared.length ? declared : [slotOf(placement)])
}

/** Leads on; whether the visitor stays, since they are where it leads: a redirect that comes back would never end. */
function redirect(address: string, report: () => void): boolean {
  const to = new URL(address, location.href)
  if (to.origin + to.pathname === location.origin + location.pathname) return true
  report()
  location.replace(to.href)
  return false
}

/** The place of what lies over the page: nothing of it looks other when that comes, however late. */
const UNDER = 'html:root'

/** Whether something that would look other is, or was, in view. */
const isSeen = (place: Place): boolean => place.selector !== UNDER && find(place).some((element) => element.getBoundingClientRect().top < innerHeight)

/**
 * The signed preview that the address brings, for as long as this tab is open. A tab's storage is opened only where a
 * preview has been seen, since that takes a while.
 */
const previewOf = (): string | undefined => attempt(() => {
  const brought = new URLSearchParams(location.search).get(PREVIEW)
  if (brought !== null) {
    sessionStorage[PREVIEW] = brought
    attempt(() => (localStorage[PREVIEW] = 1))
  }
  return (brought || localStorage[PREVIEW]) && sessionStorage[PREVIEW]
}) || undefined
