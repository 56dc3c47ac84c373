// Elements, as modules beside the client make them: whatever is shown is text, and never markup.

export type Child = Node | string | undefined
interface Said {
  /** Attributes; `undefined` and `false` leave one out, `true` is one without a value. */
  [attribute: string]: string | boolean | undefined | Record<string, (event: Event) => void>
  /** What is done when something happens to it. */
  on?: Record<string, (event: Event) => void>
}

export function make<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag, { on = {}, ...attributes }: Said = {}, ...children: Child[]
): HTMLElementTagNameMap[Tag] {
  const element = document.createElement(tag)
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === 'string') element.setAttribute(name, value)
    else if (value === true) element.setAttribute(name, '')
  }
  for (const [type, hear] of Object.entries(on)) element.addEventListener(type, hear)
  element.append(...children.filter((child) => child !== undefined))
  return element
}
