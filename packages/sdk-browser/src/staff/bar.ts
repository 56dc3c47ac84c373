// The bar that says that a page is a preview: of what, as whom, until when, and the way out of it.

import { make } from '../dom.ts'
import { icon, iconButton, timeOf, value } from './dom.ts'
import { BAR, recall, remember } from './memory.ts'
import type { Choice, Looked, Preview } from './server.ts'

export interface BarDoes {
  /** Shows the page as it is for everybody. */
  leave(): void
  /** Shows a variant of an experience, or what is decided where none is named. */
  choose(experience: string, variant: string | undefined): void
  /** Opens or closes what says why; absent where the link does not say. */
  explain?: () => void
}

export interface Bar {
  element: HTMLElement
  /** The button that opens what says why. */
  why: HTMLButtonElement | undefined
}

export function openBar(looked: Looked, does: BarDoes): Bar {
  const kept = recall(BAR).split(' ')
  const state = { isTop: kept.includes('top'), isSmall: kept.includes('small') }
  const element = make('section', { class: 'bar', 'aria-label': 'Preview' })
  const why = does.explain && make('button', {
    type: 'button', class: 'main', 'aria-expanded': 'false', 'aria-controls': 'panel', on: { click: does.explain },
  }, icon('unknown'), make('span', {}, 'Why?'))
  const move = iconButton('up', '', () => change({ isTop: !state.isTop }, () => move))
  const less = iconButton('less', 'Make this bar small', () => change({ isSmall: true }, () => more))
  const more = make('button', {
    type: 'button', class: 'plain more', 'aria-label': 'Preview: show the bar', title: 'Show the preview bar',
    on: { click: () => change({ isSmall: false }, () => less) },
  }, mark())
  const whole = make('div', { class: 'whole' },
    make('div', { class: 'said' },
      make('p', {}, mark(), make('strong', {}, titleOf(looked.preview)), ...wordsOf(looked.preview)),
      make('p', { class: 'quiet' }, `Until ${timeOf(looked.expires_at)}. ${keptOf(looked.preview)}`)),
    make('div', { class: 'does' },
      ...looked.experiences.map((choice) => chosen(choice, looked.preview, does)),
      why,
      make('button', { type: 'button', 'aria-label': 'Leave the preview', on: { click: does.leave } }, 'Leave'),
      move, less))

  function change(other: Partial<typeof state>, focus?: () => HTMLElement): void {
    Object.assign(state, other)
    remember(BAR, `${state.isTop ? 'top' : ''} ${state.isSmall ? 'small' : ''}`)
    element.classList.toggle('top', state.isTop)
    element.classList.toggle('small', state.isSmall)
    const label = `Move this bar to the ${state.isTop ? 'bottom' : 'top'}`
    move.setAttribute('aria-label', label)
    move.title = label
    move.replaceChildren(icon(state.isTop ? 'down' : 'up'))
    element.replaceChildren(state.isSmall ? more : whole)
    focus?.().focus()
  }
  change({})
  return { element, why }
}

/** What the bar is known by, small or not. */
function mark(): HTMLElement {
  return make('span', { class: 'mark', 'aria-hidden': 'true' })
}

const titleOf = ({ debug, profile, persona, variants, drafts, at }: Preview): string =>
  debug && !profile && !persona && !variants && !drafts && !at ? 'This page, explained' : 'Preview'

/** As whom, and when. */
function wordsOf({ profile, persona, at }: Preview): (string | HTMLElement)[] {
  const words: (string | HTMLElement)[] = []
  if (profile) words.push(' as profile ', make('code', {}, profile))
  if (persona) {
    const name = persona.traits?.first_name ?? persona.traits?.name
    words.push(' as somebody invented', ...(typeof name === 'string' ? [', ', value(name)] : []))
  }
  if (!profile && !persona) words.push(' as you are')
  if (at) words.push(`, at ${timeOf(at)}`)
  return words
}

const keptOf = (preview: Preview): string =>
  titleOf(preview) === 'Preview'
    ? 'Nothing is recorded.'
    : 'What you do is recorded, what is shown is not counted.'

/** Which variant is shown, with a choice where the link allows one. */
export function chosen(choice: Choice, { variants: shown = {}, debug }: Preview, does: BarDoes): HTMLElement {
  const { key, name, state, variants } = choice
  const label = make('span', {}, name ?? key, ...(state === 'draft' ? [make('i', {}, ' draft')] : []))
  if (!debug) return make('span', { class: 'chosen' }, label, shown[key] === undefined ? undefined : make('b', {}, shown[key]))
  const option = (variant: string | undefined): HTMLElement =>
    make('option', { value: variant ?? '', selected: shown[key] === variant }, variant ?? 'as decided')
  const select = make('select', {
    on: { change: () => does.choose(key, select.value || undefined) },
  }, option(undefined), ...variants.map(option))
  return make('label', { class: 'chosen' }, label, select)
}
