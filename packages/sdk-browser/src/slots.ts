// Content of a placement, filled into the element that is marked for it. What is in the markup stays where the content
// has nothing for it.
//
//   <section data-concierge="home_hero">
//     <h1 data-field="title">Welcome</h1>  <a data-field="button" data-field-href="link" href="/">Look around</a>
//   </section>

import type { Change, Place } from './changes.ts'

/** A placement's content: a JSON object. */
export type Content = Record<string, unknown>

/** Attributes that a field can be for. */
const ATTRIBUTES = ['href', 'src', 'alt', 'title']

export const slotOf = (placement: string): Place => ({ selector: `[data-concierge="${placement}"]` })

/** The changes that fill content in. */
export function filled(placement: string, content: Content): Change[] {
  const { selector: slot } = slotOf(placement)
  const changes: Change[] = []
  for (const [field, value] of Object.entries(content)) {
    if (!/^\w+$/.test(field) || (typeof value !== 'string' && typeof value !== 'number')) continue
    const text = String(value)
    const marked = (mark: string): string => `${slot} [data-field${mark}="${field}"]`
    changes.push(
      { kind: 'text', selector: `${marked('')}:not(img)`, value: text },
      { kind: 'image', selector: `${slot} img[data-field="${field}"]`, src: text },
      { kind: 'html', selector: marked('-html'), html: text },
      ...ATTRIBUTES.map((name): Change =>
        ({ kind: 'attribute', selector: marked(`-${name}`), name, value: text })),
    )
  }
  return changes
}
