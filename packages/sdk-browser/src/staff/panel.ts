// What says why a page shows what it shows: each placement, who it was decided for, and the situation.

import { make } from '../dom.ts'
import type { BarDoes } from './bar.ts'
import { openCard, type Card, type Fold } from './card.ts'
import { iconButton, value, words } from './dom.ts'
import { listOf } from './rule.ts'
import type { Answer, Choice, Looked } from './server.ts'
import { storyOf, type Gate } from './story.ts'

export interface PanelDoes extends BarDoes {
  /** Frames elements of the page. */
  highlight(elements: Element[]): void
  again(): void
  close(): void
}

export interface Panel {
  element: HTMLElement
  /** Shows an answer. */
  tell(answer: Answer, choices: Choice[]): void
  /** Says why there is none. */
  fail(why: string): void
}

const TITLE = 'Why this page shows what it shows'

export function openPanel({ preview }: Looked, does: PanelDoes): Panel {
  const body = make('div', { class: 'body', tabindex: '0', role: 'group', 'aria-label': 'Decisions' })
  const said = make('p', { class: 'quiet', role: 'status' })
  const element = make('section', { class: 'panel', id: 'panel', 'aria-label': TITLE, hidden: true },
    make('header', {},
      make('div', {}, make('h2', {}, TITLE), said),
      iconButton('again', 'Ask again', does.again),
      iconButton('close', 'Close', does.close)),
    body)
  const unfolded = new Set<string>()
  const fold: Fold = (name, summary, ...children) => {
    const details = make('details', { open: unfolded.has(name) }, make('summary', {}, ...summary), ...children)
    details.addEventListener('toggle', () => unfolded[details.open ? 'add' : 'delete'](name))
    return details
  }
  let cards: Card[] = []

  return {
    element,
    tell({ decisions, context }, choices) {
      cards.forEach(({ watched }) => watched.end())
      does.highlight([])
      const around = { preview, choices, fold, does, highlight: does.highlight }
      // What an experience decided comes first.
      const ordered = [...decisions].sort((one, other) => Number(!one.experience) - Number(!other.experience))
      cards = ordered.map((decision) => openCard(decision, around))
      const count = `${decisions.length} placement${decisions.length === 1 ? '' : 's'} on this page`
      said.textContent = decisions.length ? count : 'No placement belongs to this page'
      const [first] = decisions
      body.replaceChildren(
        ...cards.map((card) => card.element),
        make('h3', {}, 'Who is looked at'),
        ...personOf(first ? storyOf(first).person : [], fold),
        make('h3', {}, 'The situation'),
        fold('situation', ['What is known of this visit'], situationOf(context)))
    },
    fail(why) {
      cards.forEach(({ watched }) => watched.end())
      cards = []
      body.replaceChildren()
      said.textContent = why
    },
  }
}

function personOf(person: Gate[], fold: Fold): HTMLElement[] {
  const of = (...stages: string[]): Gate[] => person.filter(({ stage }) => stages.includes(stage))
  const audiences = of('audience')
  const members = audiences.filter(({ truth }) => truth === 'true').length
  const lists: [string, Gate[]][] = [
    [`In ${members} of ${audiences.length} audiences`, audiences],
    ['What they agreed to', of('consent')],
    ['What they did last', of('event')],
  ]
  return [
    ...of('identity').map(({ text }) => make('p', {}, words(text))),
    ...lists.filter(([, gates]) => gates.length).map(([title, gates]) => fold(`person ${title}`, [title], listOf(gates))),
  ]
}

/** Values by their paths. */
function situationOf(context: Record<string, unknown>): HTMLElement {
  const rows: HTMLElement[] = []
  function add(path: string, found: unknown): void {
    if (found && typeof found === 'object' && !Array.isArray(found)) {
      for (const [name, inner] of Object.entries(found)) add(path ? `${path}.${name}` : name, inner)
    } else if (found !== null && found !== '') {
      const text = typeof found === 'string' ? found : JSON.stringify(found)
      rows.push(make('div', {}, make('dt', {}, path), make('dd', {}, value(text))))
    }
  }
  add('', context)
  return make('dl', {}, ...rows)
}
