// What staff see who look at a page by a preview's link: a bar that says so, and a panel that says why the page shows
// what it shows. It comes as a module of its own, which nobody else loads, and whoever has no valid link sees nothing
// of it. It asks the server itself for what the client asked, with reasons, and changes nothing of the page.

import { make } from '../dom.ts'
import { attempt } from '../guard.ts'
import { onRoute } from '../routes.ts'
import type { Options } from '../start.ts'
import { PREVIEW } from '../storage.ts'
import { askWhy } from './ask.ts'
import { openBar, type BarDoes } from './bar.ts'
import { openHighlight } from './highlight.ts'
import { PANEL, forgetPreview, recall, remember, sayPreview } from './memory.ts'
import { openPanel } from './panel.ts'
import { Refused, look, type Looked } from './server.ts'
import { STYLE } from './style.ts'

const page = window as unknown as { concierge?: (name: string, ...rest: unknown[]) => unknown; conciergeOptions?: Options }
const own = new URL(import.meta.url)
const server = { url: own.href.split('/sdk/')[0] ?? own.origin, writeKey: own.hash.slice(1) }

void start().catch(() => undefined)

async function start(): Promise<void> {
  const token = recall(PREVIEW) || new URLSearchParams(location.search).get(PREVIEW)
  if (!token) return
  try {
    const looked = await look(server, token)
    sayPreview(Math.floor((Date.parse(looked.expires_at) - Date.now()) / 1000))
    forgetAddress()
    open(looked, token)
  } catch (error) {
    if (!(error instanceof Refused)) return
    // The next page is as it is for everybody.
    forgetPreview()
    forgetAddress()
    console.info(`Concierge: ${error.message}`)
  }
}

function open(looked: Looked, token: string): void {
  const root = attach()
  const does: BarDoes = {
    leave() {
      forgetPreview()
      show('')
    },
    choose(experience, variant) {
      const { [experience]: _, ...others } = looked.preview.variants ?? {}
      const variants = variant ? { ...others, [experience]: variant } : others
      // A link that has ended is found out about as the page opens.
      look(server, token, { variants }).then(({ token: other }) => show(other ?? token), () => show(token))
    },
  }
  if (!looked.preview.debug) {
    root.append(openBar(looked, does).element)
    return
  }
  const highlight = openHighlight(root)
  const panel = openPanel(looked, { ...does, highlight, again: () => void ask(), close: () => toggle(false) })
  const bar = openBar(looked, { ...does, explain: () => toggle(!!panel.element.hidden) })
  root.append(bar.element, panel.element)

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
    try {
      const told = await askWhy(server, token, page.conciergeOptions)
      if (mine === asked) panel.tell(...told)
    } catch (error) {
      if (mine === asked) panel.fail(error instanceof Refused ? error.message : 'The server does not answer.')
    }
  }
  root.addEventListener('keydown', (event) => {
    if ((event as KeyboardEvent).key !== 'Escape' || panel.element.hidden) return
    // What the page or the browser closes by the same key stays open.
    event.stopPropagation()
    event.preventDefault()
    toggle(false)
  })
  if (recall(PANEL)) toggle(true)
  // The client of a tag tells of each page; where it was built into one, the address does.
  if (page.concierge) page.concierge('onDecisions', () => void ask())
  else onRoute(() => void ask())
}

/** A root beside the page's body, which frameworks may render anew. It is in English, whatever the page is in. */
function attach(): ShadowRoot {
  const host = make('div', { lang: 'en', dir: 'ltr' })
  const root = host.attachShadow({ mode: 'open' })
  const sheet = new CSSStyleSheet()
  sheet.replaceSync(STYLE)
  root.adoptedStyleSheets = [sheet]
  stayInReach(host)
  return root
}

/** Puts an element into the page; while a dialog is modal, into that, since nothing outside of it can be used. */
function stayInReach(host: HTMLElement): void {
  const page = document.documentElement
  const put = (): void => {
    const home = [...document.querySelectorAll('dialog:modal')].pop() ?? page
    if (host.parentNode !== home) home.append(host)
  }
  put()
  new MutationObserver(put).observe(page, { attributeFilter: ['open'], childList: true, subtree: true })
}

/** The page's address without the link's token. */
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

/** Takes the link out of the address, so that nobody passes it on unawares. The page's own `history` may be a router's,
 * which would take it for another page. */
function forgetAddress(): void {
  if (!new URLSearchParams(location.search).has(PREVIEW)) return
  attempt(() => History.prototype.replaceState.call(history, history.state, '', bare()))
}
