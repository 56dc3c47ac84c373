// What became of a decision on the page that is open: whether its places are there, whether its changes are, and
// whether somebody has seen them, by the client's own rules.

import { find, type Change, type Place } from '../changes.ts'
import type { Decision } from '../decisions.ts'
import { attempt } from '../guard.ts'
import { follow } from '../outcomes.ts'
import { filled } from '../slots.ts'
import { changesOf, placesOf } from '../start.ts'

/** What became of one change. */
export interface Fate {
  what: string
  selector: string
  state: 'made' | 'missing' | 'other'
}

/** What became of a decision, now. */
export interface Standing {
  elements: Element[]
  missing: string[]
  isSeen: boolean
  fates: Fate[]
}

export interface Watched {
  end(): void
}

/** Watches what becomes of a decision, and tells of it at most once a frame. */
export function watch(decision: Decision, tell: (standing: Standing) => void): Watched {
  const places = placesOf(decision)
  let isSeen = false
  let frame: number | undefined
  const soon = (): void => {
    frame ??= requestAnimationFrame(() => {
      frame = undefined
      tell(standing())
    })
  }
  const standing = (): Standing => ({
    elements: [...new Set(places.flatMap(find))],
    missing: places.filter((place) => !find(place).length).map(({ selector }) => selector),
    isSeen,
    fates: fatesOf(decision),
  })
  const outcome = follow(decision, places, (event) => {
    isSeen ||= event === 'Experience Viewed'
    soon()
  })
  const observer = new MutationObserver(() => {
    outcome.look()
    soon()
  })
  observer.observe(document.documentElement, { attributes: true, characterData: true, childList: true, subtree: true })
  soon()
  return {
    end() {
      outcome.end()
      observer.disconnect()
      if (frame) cancelAnimationFrame(frame)
    },
  }
}

/** Nothing of what still waits. */
function fatesOf({ content, placement, trigger }: Decision): Fate[] {
  const made = changesOf(content).map((change) => ({ what: change.kind, selector: change.selector, state: stateOf(change) }))
  const fields = Object.entries(content ?? {}).filter(([, value]) => typeof value === 'string' || typeof value === 'number')
  const shown = fields.map(([field, value]): Fate => {
    const states = filled(placement, { [field]: value }).map(stateOf).filter((state) => state !== 'missing')
    const state = states.includes('made') ? 'made' : states[0] ?? 'missing'
    return { what: field, selector: `data-field="${field}"`, state }
  })
  const fates = [...made, ...shown.filter(({ what }) => what !== 'redirect')]
  return trigger && !fates.some(({ state }) => state === 'made') ? [] : fates
}

/** Whether a change is there. What can be looked at in no simple way counts as made where its place is. */
function stateOf(change: Change): Fate['state'] {
  const found = find(change as Place)
  if (!found.length) return 'missing'
  return attempt(() => found.every((element) => holds(element, change))) === false ? 'other' : 'made'
}

function holds(element: Element, change: Change): boolean {
  const style = (element as HTMLElement).style as CSSStyleDeclaration | undefined
  switch (change.kind) {
    case 'text':
      return plain(textIn(element)) === plain(change.value)
    case 'html':
      return shows(element, change.html)
    case 'insert':
      return shows(/start|end/.test(change.where) ? element : element.parentElement ?? element, change.html)
    case 'attribute':
      return element.getAttribute(change.name) === change.value
    case 'class':
      return (change.add ?? []).every((name) => element.classList.contains(name)) &&
        !(change.remove ?? []).some((name) => element.classList.contains(name))
    case 'style':
      return Object.keys(change.value).every((name) => style?.getPropertyValue(name))
    case 'image':
      return element.getAttribute('src') === change.src
    case 'hide':
      return getComputedStyle(element).display === 'none'
    case 'move':
      return true
  }
}

/** Whether an element shows markup: by its text, or, as a component's text changes while it is used, by its name. */
function shows(element: Element, html: string): boolean {
  const { body } = new DOMParser().parseFromString(html, 'text/html')
  const component = body.querySelector<HTMLElement>('[data-concierge-component]')?.dataset.conciergeComponent
  if (component) return !!element.querySelector(`[data-concierge-component="${CSS.escape(component)}"]`)
  return plain(textIn(element)).includes(plain(body.textContent ?? ''))
}

/** What is shown of an element's text, whatever case styles give it: not what stands aside for what is shown instead. */
const textIn = (element: Element): string =>
  [...element.childNodes].filter((node) => isShown(element, node)).map((node) => node.textContent).join('')

function isShown(element: Element, node: Node): boolean {
  if (element.shadowRoot && !(node as Element | Text).assignedSlot) return false
  return !(node instanceof Element) || getComputedStyle(node).display !== 'none'
}

const plain = (text: string): string => text.replace(/\s+/g, ' ').trim()
