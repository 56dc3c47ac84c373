// What was asked of somebody, and what was found: gates, and the parts of a rule below each other.

import { make } from '../dom.ts'
import { icon, timeOf, words } from './dom.ts'
import type { Truth } from './server.ts'
import type { Gate, Part } from './story.ts'

const ICONS = { true: 'yes', false: 'no', withheld: 'unknown' } as const
const WORDS = { true: 'holds: ', false: 'does not hold: ', withheld: 'may not be known: ' }

/** Gates below each other, each under the name of its stage where they are of several. */
export function listOf(gates: Gate[]): HTMLElement {
  const isMixed = gates.some(({ stage }) => stage !== gates[0]?.stage)
  return make('ol', { class: 'gates' }, ...gates.map((gate) => gateOf(gate, isMixed)))
}

/** A line that says whether something holds. */
export const line = (truth: Truth | undefined, ...said: (Node | string)[]): HTMLElement =>
  make('div', { class: 'line' }, markOf(truth), make('span', {}, ...said))

function markOf(truth: Truth | undefined): HTMLElement {
  if (!truth) return make('span', { class: 'truth' }, icon('tell'))
  return make('span', { class: `truth ${truth}` }, icon(ICONS[truth]), make('span', { class: 'hidden' }, WORDS[truth]))
}

function gateOf({ stage, text, truth, validUntil, parts }: Gate, isNamed: boolean): HTMLElement {
  const name = isNamed ? [make('span', { class: 'stage' }, stage.replace('_', ' '))] : []
  const until = validUntil ? [make('span', { class: 'quiet' }, ` until ${timeOf(validUntil)}`)] : []
  return make('li', {}, line(truth, ...name, words(text), ...until), parts.length ? treeOf(parts) : undefined)
}

function treeOf(parts: Part[]): HTMLElement {
  const tree = make('ul', { class: 'tree' })
  /** The list that each level adds to. */
  const lists = [tree]
  for (const { depth, text, truth } of parts) {
    while (lists.length <= depth) {
      const above = lists[lists.length - 1] ?? tree
      const below = make('ul')
      const owner = above.lastElementChild ?? above
      owner.append(below)
      lists.push(below)
    }
    lists.length = depth + 1
    lists[depth]?.append(make('li', {}, line(truth, words(text))))
  }
  return tree
}
