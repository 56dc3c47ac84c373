// What ready-made components do. Their markup comes with the decision and declares it: what is clicked may do something
// (`data-do`) and be an event (`data-say`, with a property of the name and value that it carries).

import { listen } from './guard.ts'

export interface Hands {
  /** Tells what came of the decision. */
  say(event: string, properties: Record<string, unknown>): void
  /** Takes in what the visitor has told about themselves. */
  learn(traits: Record<string, unknown>): void
  /** Ends personalisation for the visitor. */
  refuse(): unknown
}

/** Components in the page, each with the hands that it was given once. */
const alive = new WeakSet<Element>()
const TICK_MS = 1_000
const HOUR_MS = 3_600_000

/** Brings the components in an element to life that are not yet. */
export function enliven(place: Element, hands: Hands): void {
  for (const root of place.querySelectorAll<HTMLElement>('[data-concierge-component]')) {
    if (alive.has(root)) continue
    alive.add(root)
    start(root, hands)
  }
}

function start(root: HTMLElement, { say, learn, refuse }: Hands): void {
  const told: Record<string, unknown> = {}
  /** The points of the outcomes of a quiz, in their order. */
  let score: number[] = []
  const dialog = root as Partial<HTMLDialogElement>
  dialog.showModal?.()
  // Escape says the same as the button that closes.
  listen(root, 'cancel', () => say('Experience Dismissed', {}))
  listen(root, 'click', ({ target }) => {
    const act = (target as Element).closest<HTMLElement>('[data-do],[data-say]')
    if (!act) return
    const { do: what, say: event, name, value, json, points, done } = act.dataset
    const step = act.closest<HTMLElement>('[data-step]')
    const isAnswer = what === 'answer'
    const properties = isAnswer ? told : {}
    if (name) properties[name] = json ? JSON.parse(json) : value
    const field = step?.querySelector('textarea')
    if (field?.value) told[field.dataset.name!] = field.value
    if (points) score = JSON.parse(points).map((more: number, place: number) => more + (score[place] ?? 0))
    // An answer that is the last of a survey says so.
    if (isAnswer && event) {
      const outcome = root.querySelectorAll<HTMLElement>('[data-outcome]')[score.indexOf(Math.max(...score))]
      if (outcome) {
        step!.after(outcome)
        told[outcome.dataset.name!] = outcome.dataset.outcome
      }
      learn(told)
    }
    if (event) say(event, properties)
    if (what === 'refuse') refuse()
    if (step) {
      const next = step.nextElementSibling as HTMLElement
      step.hidden = true
      next.hidden = false
      next.tabIndex = -1
      next.focus()
    }
    if (what === 'close') {
      root.hidden = true
      dialog.close?.()
    }
    if (what === 'copy') navigator.clipboard.writeText(value!).then(() => (act.textContent = done!), () => undefined)
  })
  const clock = root.querySelector('time')
  if (clock) tick(clock)
}

/** Counts down, in hours, for as long as the clock is in the page. */
function tick(clock: HTMLTimeElement): void {
  const left = Math.max(0, Date.parse(clock.dateTime) - Date.now())
  clock.textContent = Math.floor(left / HOUR_MS) + new Date(left).toISOString().slice(13, 19)
  if (left) setTimeout(() => clock.isConnected && tick(clock), TICK_MS)
}
