// One placement: what was decided for it, what became of that on the page, and what was considered.

import { make } from '../dom.ts'
import type { Trigger } from '../trigger.ts'
import { chosen, type BarDoes } from './bar.ts'
import { icon, words } from './dom.ts'
import { watch, type Fate, type Standing, type Watched } from './page.ts'
import { line, listOf } from './rule.ts'
import type { Choice, Explained, Preview, Truth } from './server.ts'
import { storyOf, type Considered } from './story.ts'

/** Something that can be unfolded, and stays so when it is told anew. */
export type Fold = (name: string, summary: (Node | string)[], ...children: (Node | undefined)[]) => HTMLElement

/** What a card is shown with. */
export interface Around {
  preview: Preview
  choices: Choice[]
  fold: Fold
  does: BarDoes
  /** Frames elements of the page. */
  highlight(elements: Element[]): void
}

export interface Card {
  element: HTMLElement
  watched: Watched
}

export function openCard(decision: Explained, around: Around): Card {
  const { outcome, sentence, considered } = storyOf(decision)
  const { placement, propensity, variant, trigger } = decision
  const became = make('div', { class: 'became' })
  let elements: Element[] = []
  const show = (): void => around.highlight(elements)
  const hide = (): void => around.highlight([])
  const aim = make('button', { type: 'button', class: 'small', on: { focus: show, blur: hide, click: scroll } },
    icon('aim'), 'Show on the page')
  function scroll(): void {
    // On a small screen the panel takes the lower part of it.
    elements[0]?.scrollIntoView({ block: innerWidth < innerHeight ? 'start' : 'center' })
    show()
  }
  let told = ''
  const watched = watch(decision, (standing) => {
    ;({ elements } = standing)
    aim.hidden = !elements.length
    const now = JSON.stringify({ ...standing, elements: elements.length })
    if (now !== told) became.replaceChildren(...becameOf(standing))
    told = now
  })
  const chance = propensity < 1 && variant ? ` Chance: ${percent(propensity)}.` : ''
  const element = make('article', { class: 'card', 'aria-label': placement, on: { mouseenter: show, mouseleave: hide } },
    make('div', { class: 'head' },
      make('h3', {}, placement), make('span', { class: 'badge', 'data-outcome': outcome }, outcome)),
    make('p', { class: 'shown' }, ...shownOf(decision)),
    make('p', {}, sentence + chance),
    trigger && line(undefined, waitsFor(trigger)),
    became,
    aim,
    make('h4', {}, considered.length ? 'Considered' : 'No experience belongs to this placement'),
    ...considered.map((one) => consideredOf(placement, one, around)))
  return { element, watched }
}

const percent = (share: number): string => `${+(share * 100).toFixed(1)} %`

function shownOf({ experience, variant }: Explained): (Node | string)[] {
  if (!experience) return ['The default']
  return [make('code', {}, experience), ...(variant ? [' · ', make('code', {}, variant)] : [])]
}

function waitsFor({ on, percent, ms = 0 }: Trigger): string {
  const time = `${+(ms / 1000).toFixed(1)} seconds`
  return {
    exit: 'Waits for the visitor to turn away',
    scroll: `Waits until ${percent} % of the page has been seen`,
    idle: `Waits for ${time} without anything done`,
    delay: `Waits for ${time}`,
  }[on]
}

const FATES = { won: ['yes', 'chosen'], outranked: ['less', 'outranked'], stopped: ['no', 'not chosen'] } as const

function consideredOf(placement: string, { experience, fate, why, gates }: Considered, around: Around): HTMLElement {
  const [sign, told] = FATES[fate]
  const choice = around.choices.find(({ key }) => key === experience)
  return around.fold(`${placement} ${experience}`,
    [
      icon(sign),
      make('span', { class: 'name' },
        choice?.name ? make('bdi', {}, choice.name) : undefined,
        make('code', {}, experience),
        make('span', { class: 'hidden' }, `: ${told}. `)),
      make('span', { class: 'why' }, words(why)),
    ],
    listOf(gates),
    choice && chosen({ ...choice, name: 'Show' }, around.preview, around.does))
}

const TRUTHS: Record<Fate['state'], Truth> = { made: 'true', missing: 'false', other: 'withheld' }
const STATES: Record<Fate['state'], string> = {
  made: 'is in place', missing: 'has no element here', other: 'is overwritten: something else is there',
}

/** What became of it on the page. */
function becameOf({ missing, isSeen, fates }: Standing): Node[] {
  const selectors = missing.flatMap((selector, index) => [index ? ', ' : '', make('code', {}, selector)])
  const where = missing.length
    ? line('false', 'Not found on this page: ', ...selectors)
    : line('true', `Found on the page, ${isSeen ? 'and seen' : 'not seen yet'}`)
  if (!fates.length) return [where]
  const made = fates.filter(({ state }) => state === 'made').length
  const summary = make('summary', {}, `${made} of ${fates.length} change${fates.length === 1 ? '' : 's'} in place`)
  const rows = fates.map(({ what, selector, state }) =>
    line(TRUTHS[state], make('b', {}, what), ' ', make('code', {}, selector), ` ${STATES[state]}`))
  return [where, make('details', { open: made < fates.length }, summary, ...rows)]
}
