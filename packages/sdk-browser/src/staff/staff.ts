// What staff see who look at a page by a preview's link: a bar that says so, and a panel that says why the page shows
// what it shows. It comes as a module of its own, which nobody else loads, and whoever has no valid link sees nothing
// of it. It asks the server itself for what the client asked, with reasons, and changes nothing of the page.

import { openConsent } from '../consent.ts'
import { attempt } from '../guard.ts'
import { onRoute } from '../routes.ts'
import type { Options } from '../start.ts'
import { USER, VISITOR, openStorage } from '../storage.ts'
import { openBar } from './bar.ts'
import { make } from './dom.ts'
import { openHighlight } from './highlight.ts'
import { PANEL, PREVIEW, recall, remember } from './memory.ts'
import { openPanel } from './panel.ts'
import { Refused, explain, look, type Looked } from './server.ts'
import { STYLE } from './style.ts'

const page = window as unknown as { concierge?: (name: string, ...rest: unknown[]) => unknown; conciergeOptions?: Options }
const own = new URL(import.meta.url)
const server = { url: own.href.split('/sdk/')[0] ?? own.origin, writeKey: own.hash.slice(1) }

void start().catch(() => undefined)

async function start(): Promise<void> {
  const brought = new URLSearchParams(location.search).get(PREVIEW)
  const token = recall(PREVIEW) || brought
  if (!token) return
  try {
    const looked = await look(server, token)
    forgetAddress()
    open(looked, token)
  } catch (error) {
    if (!(error instanceof Refused)) return
    // The next page is as it is for everybody.
    remember(PREVIEW, '')
    forgetAddress()
    console.info(`Concierge: ${error.message}`)
  }
}

/** The page's address without the link's token, so that nobody passes it on unawares. */
function bare(): URL {
  const address = new URL(location.href)
  address.searchParams.delete(PREVIEW)
  return address
}

/** Opens the page anew by another link, or none. */
function show(token: string): void {
  const address = bare()
  if (token) address.searchParams.set(PREVIEW, token)
  // To where one is already, an address with a fragment leads without loading anything.
  if (address.href === location.href) location.reload()
  else location.replace(address)
}

/** Not by the page's own `history`, whose router would take it for another page. */
function forgetAddress(): void {
  if (!new URLSearchParams(location.search).has(PREVIEW)) return
  attempt(() => History.prototype.replaceState.call(history, history.state, '', bare()))
}

function open(looked: Looked, token: string): void {
  const host = make('div', { lang: 'en', dir: 'ltr' })
  const root = host.attachShadow({ mode: 'open' })
  const sheet = new CSSStyleSheet()
  sheet.replaceSync(STYLE)
  root.adoptedStyleSheets = [sheet]
  const does = {
    leave() {
      remember(PREVIEW, '')
      show('')
    },
    async choose(experience: string, variant: string | undefined) {
      const { [experience]: _, ...others } = looked.preview.variants ?? {}
      const variants = variant ? { ...others, [experience]: variant } : others
      const { token: other } = await look(server, token, { variants })
      if (other) show(other)
    },
  }
  const highlight = openHighlight(root)
  const { debug } = looked.preview
  const panel = openPanel(looked, {
    ...does, choose: (...chosen) => void does.choose(...chosen), highlight, again: () => void ask(), close: () => toggle(false),
  })
  const bar = openBar(looked, {
    ...does, choose: (...chosen) => void does.choose(...chosen), ...(debug ? { explain: () => toggle(!!panel.element.hidden) } : {}),
  })
  root.append(bar.element, ...(debug ? [panel.element] : []))
  document.documentElement.append(host)
  if (!debug) return

  function toggle(isOpen: boolean): void {
    remember(PANEL, isOpen ? 'open' : '')
    panel.element.hidden = !isOpen
    bar.element.classList.toggle('beside', isOpen)
    bar.why?.setAttribute('aria-expanded', String(isOpen))
    highlight([])
    if (isOpen) void ask()
    else bar.why?.focus()
  }
  let asked = 0
  async function ask(): Promise<void> {
    if (panel.element.hidden) return
    const mine = ++asked
    const request = requestNow(token)
    if (!request) return panel.fail('Nothing is decided before the visitor has agreed to anything.')
    try {
      const answer = await explain(server, request)
      const keys = new Set(answer.decisions.flatMap(({ explanation }) => explanation.flatMap(({ experience }) => experience ?? [])))
      const { experiences } = await look(server, token, { experiences: [...keys].slice(0, EXPERIENCES_MAX) })
      if (mine === asked) panel.tell(answer, experiences)
    } catch (error) {
      if (mine === asked) panel.fail(error instanceof Refused ? error.message : 'The server does not answer.')
    }
  }
  root.addEventListener('keydown', (event) => {
    if ((event as KeyboardEvent).key === 'Escape' && !panel.element.hidden) toggle(false)
  })
  if (recall(PANEL)) toggle(true)
  // The client tells of each page; on one that it was built into, the address does.
  if (page.concierge) page.concierge('onDecisions', () => void ask())
  else onRoute(() => void ask())
}

/** As many experiences as the server tells of at once. */
const EXPERIENCES_MAX = 200

/** What the client asks for this page; `undefined` where it asks nothing. */
function requestNow(preview: string): object | undefined {
  const storage = openStorage()
  const consent = openConsent(page.conciergeOptions?.consent ?? 'assumed', storage)
  if (consent.state() !== 'open') return undefined
  const { href: url, pathname: path, search } = location
  const [visitor, user] = [storage.get(VISITOR), storage.get(USER)]
  return {
    identifiers: { ...(visitor ? { anonymous_id: visitor } : {}), ...(user ? { user_id: user } : {}) },
    context: {
      page: { url, path, search, title: document.title, referrer: document.referrer },
      locale: navigator.language,
      timezone: attempt(() => Intl.DateTimeFormat().resolvedOptions().timeZone),
      consent: { categoryPreferences: consent.answer() },
    },
    preview,
  }
}
