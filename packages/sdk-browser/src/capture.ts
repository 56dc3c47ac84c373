// Events that the page declares in its markup, so that nobody has to write a script for them.
//
//   <a href="/prices.pdf" data-event="File Downloaded" data-event-topic="prices">
//   <form data-event="Form Submitted" data-event-form="test_drive"> <input name="model" data-event-field> </form>

import { listen } from './guard.ts'

export type Track = (event: string, properties: Record<string, unknown>) => void

/** Longest value of a field, in characters. */
const VALUE_MAX = 200

export function capture(track: Track): void {
  listen(document, 'click', ({ target }) => {
    const element = target instanceof Element && target.closest<HTMLElement>('[data-event]')
    if (element && !(element instanceof HTMLFormElement)) report(element, {})
  })
  listen(document, 'submit', ({ target }) => {
    if (target instanceof HTMLFormElement) report(target, fields(target))
  })
  function report({ attributes, dataset }: HTMLElement, properties: Record<string, unknown>): void {
    if (!dataset.event) return
    for (const { name, value } of attributes) {
      const key = /^data-event-(.+)/.exec(name)?.[1]
      if (key) properties[key.replace(/-/g, '_')] = value
    }
    track(dataset.event, properties)
  }
}

/** The fields of a form that are declared to be sent. A password never is. */
function fields(form: HTMLFormElement): Record<string, unknown> {
  const declared = form.querySelectorAll<HTMLInputElement>('[data-event-field][name]:not([type=password])')
  const filled = [...declared].filter(({ type, checked }) => !/^(radio|checkbox)$/.test(type) || checked)
  return Object.fromEntries(filled.map(({ name, value }) => [name, value.slice(0, VALUE_MAX)]))
}
