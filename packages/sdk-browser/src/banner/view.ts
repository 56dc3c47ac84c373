// What visitors see and use of the banner: a region at the bottom of the page that asks, and a dialogue with a switch for
// each purpose. Both are in a shadow tree, so that the page's styles and theirs do not meet.

import { make } from '../dom.ts'
import { adopt, drop } from '../hide.ts'
import { STYLE } from './style.ts'
import { isRightToLeft, type textsIn } from './texts.ts'

/** A purpose as it is shown. */
export interface Choice {
  key: string
  /** Whether nobody can agree to it, since the browser says no. */
  isBlocked: boolean
}

export interface Acts {
  acceptAll(): void
  refuseAll(): void
  open(): void
  save(isChosen: (key: string) => boolean): void
}

export interface View {
  /** Shows the question, or takes it away. */
  ask(isAsked: boolean): void
  /** Opens the dialogue, with these purposes switched on. */
  open(isOn: (key: string) => boolean): void
  close(): void
  remove(): void
}

type Texts = ReturnType<typeof textsIn>

/** Space between the question and what is scrolled to above it, in CSS pixels. */
const SPACE = 24

export function createView(texts: Texts, choices: Choice[], policy: string | undefined, acts: Acts): View {
  const host = document.createElement('concierge-consent')
  const root = host.attachShadow({ mode: 'open' })
  root.adoptedStyleSheets = [sheetOf(STYLE)]
  const said = { lang: texts.language, dir: isRightToLeft(texts.language) ? 'rtl' : 'ltr' }
  const text = (): HTMLElement => {
    const link = policy === undefined ? [] : [' ', make('a', { href: policy }, texts.policy)]
    return make('p', {}, texts.text, ...link)
  }
  const all = (): HTMLElement[] => [button(texts.refuse, acts.refuseAll), button(texts.accept, acts.acceptAll)]

  const question = make('section', { ...said, 'aria-labelledby': 'question', hidden: '' },
    make('h2', { id: 'question' }, texts.title),
    text(),
    make('div', { class: 'buttons' }, ...all(), button(texts.choose, acts.open, 'quiet')),
  )
  const switches = choices.map((choice) => switchOf(choice, texts))
  const save = (): void => acts.save((key) => switches.some((one) => one.key === key && one.input.checked))
  const dialog = make('dialog', { ...said, 'aria-labelledby': 'settings', closedby: 'any' },
    make('div', { class: 'head' },
      // Whoever opens it is told first what it is.
      make('h2', { id: 'settings', tabindex: '-1', autofocus: '' }, texts.settings),
      button('×', () => dialog.close(), 'quiet close', texts.close),
    ),
    text(),
    make('ul', { role: 'list' }, ...switches.map(({ item }) => item)),
    make('div', { class: 'buttons' }, ...all(), button(texts.save, save)),
  )
  root.append(question, dialog)
  const endPlace = keepPlace(question)
  const focus = rememberFocus(host)

  return {
    ask(isAsked) {
      if (isAsked) mount(host)
      const hasFocus = question.contains(root.activeElement)
      question.hidden = !isAsked
      if (!isAsked && hasFocus) focus.giveBack()
    },
    open(isOn) {
      mount(host)
      for (const { key, input } of switches) input.checked = !input.disabled && isOn(key)
      if (!dialog.open) dialog.showModal()
    },
    close: () => dialog.close(),
    remove() {
      endPlace()
      host.remove()
    },
  }
}

/**
 * Puts it first on the page, so that whoever goes by keyboard or has it read out comes by it first; and outside the body,
 * where selectors that count elements, and frameworks, hold on to what the page has there.
 */
function mount(host: HTMLElement): void {
  if (host.isConnected) return
  host.style.setProperty('--page-font', getComputedStyle(document.body).fontFamily)
  document.documentElement.insertBefore(host, document.body)
}

function switchOf({ key, isBlocked }: Choice, texts: Texts): { key: string; input: HTMLInputElement; item: HTMLElement } {
  const { name, description } = texts.purposes[key] ?? { name: key, description: '' }
  const id = `purpose-${key}`
  const input = make('input', { id, type: 'checkbox', role: 'switch', 'aria-describedby': `${id}-text` })
  input.disabled = isBlocked
  const item = make('li', {},
    make('div', {},
      make('label', { for: id }, name),
      make('p', { id: `${id}-text` }, isBlocked ? `${description} ${texts.signal}` : description),
    ),
    input,
  )
  return { key, input, item }
}

/** Has the page scroll what is focused clear of the question, while that is shown. */
function keepPlace(question: HTMLElement): () => void {
  const sheet = adopt('')
  const observer = new ResizeObserver(() => {
    const height = question.offsetHeight
    sheet?.replaceSync(height ? `html{scroll-padding-block-end:${height + SPACE}px}` : '')
  })
  observer.observe(question)
  return () => {
    observer.disconnect()
    drop(sheet)
  }
}

/** Gives the focus back to what had it, lest whoever answers by keyboard has to begin the page anew. */
function rememberFocus(host: HTMLElement): { giveBack(): void } {
  let before: EventTarget | null = null
  // Moves within the tree are not told outside it; a dialogue that opens takes the focus from nothing.
  host.addEventListener('focusin', ({ relatedTarget }) => (before = relatedTarget ?? before))
  return {
    giveBack() {
      if (before instanceof HTMLElement) before.focus({ preventScroll: true })
    },
  }
}

function sheetOf(text: string): CSSStyleSheet {
  // A sheet that a script makes needs no leave of the page's policy.
  const sheet = new CSSStyleSheet()
  sheet.replaceSync(text)
  return sheet
}

function button(text: string, act: () => void, kind?: string, label?: string): HTMLButtonElement {
  const attributes = { type: 'button', ...(kind ? { class: kind } : {}), ...(label ? { 'aria-label': label } : {}) }
  const element = make('button', attributes, text)
  element.onclick = () => act()
  return element
}
