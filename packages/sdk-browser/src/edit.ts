// One change at one element, which can be looked at again and taken back exactly.

import { attempt } from './guard.ts'

export interface Edit {
  /** Makes the change; once. */
  make(): void
  /** Whether the change is there. */
  holds(): boolean
  /** Gives back what the page had there, unless it has put something else there meanwhile. */
  undo(): void
}

/** What we put into the page ourselves: no selector is to find it. */
export const ours = new WeakSet<Node>()

/** Something of an element that has a value. `write` may be handed what `read` answered. */
export function valueEdit<T>(value: T, read: () => T, write: (value: T) => void): Edit {
  let original = value
  // What is read after writing may be written otherwise: `RED` becomes `red`.
  let written = value
  const holds = (): boolean => read() === written
  return {
    holds,
    make() {
      original = read()
      if (holds()) return
      write(value)
      written = read()
    },
    undo() {
      if (original !== written && holds()) write(original)
    },
  }
}

export const allOf = (edits: Edit[]): Edit => ({
  holds: () => edits.every((edit) => edit.holds()),
  make: () => edits.forEach((edit) => edit.make()),
  undo: () => [...edits].reverse().forEach((edit) => edit.undo()),
})

export function attributeEdit(element: Element, name: string, value: string | null): Edit {
  return valueEdit<string | null>(
    value,
    () => element.getAttribute(name),
    (value) => (value === null ? element.removeAttribute(name) : element.setAttribute(name, value)),
  )
}

export function classEdit(element: Element, name: string, isThere: boolean): Edit {
  const hadClass = element.hasAttribute('class')
  return valueEdit(
    isThere,
    () => element.classList.contains(name),
    (isThere) => {
      element.classList.toggle(name, isThere)
      if (!hadClass && !element.className) element.removeAttribute('class')
    },
  )
}

/** Properties of the element's own style, which a content security policy lets scripts set. */
export function styleEdit(element: HTMLElement, values: Record<string, string>): Edit {
  const { style } = element
  const before = element.hasAttribute('style') ? style.cssText : undefined
  const read = (): string => Object.keys(values).map((name) => style.getPropertyValue(name)).join()
  let after: string
  let written: string
  return {
    holds: () => read() === written,
    make() {
      for (const [name, value] of Object.entries(values)) style.setProperty(name, value, 'important')
      after = style.cssText
      written = read()
    },
    undo() {
      if (style.cssText === after) style.cssText = before ?? ''
      else if (read() === written) for (const name of Object.keys(values)) style.removeProperty(name)
      // Asking has the browser write down what is there, without which it would leave an empty attribute.
      if (before === undefined && !element.getAttribute('style')) element.removeAttribute('style')
    },
  }
}

/** Text in place of an element's content. Of a single text node the data is changed, which frameworks hold on to. */
export function textEdit(element: Element, text: string): Edit {
  const [only, another] = ownNodes(element)
  if (another || !(only instanceof Text)) return contentEdit(element, () => [document.createTextNode(text)])
  return valueEdit<string | undefined>(
    text,
    () => (only.parentNode === element ? only.data : undefined),
    (text) => (only.data = text ?? ''),
  )
}

/** What the page has put into an element and can be seen. */
const ownNodes = (element: Element): Node[] =>
  [...element.childNodes].filter((node) => !ours.has(node) && !(node instanceof Comment))

const SLOT = 'concierge'
const roots = new WeakMap<Element, ShadowRoot>()

/**
 * Other nodes in place of an element's content, whose own nodes stay where they are, so that a framework can go on to
 * change and remove them. Where an element can have a shadow tree they are not slotted, else they are hidden one by one.
 * The page's styles hold for what is shown in their place, since that is a child as well.
 */
export function contentEdit(element: Element, make: () => Node[]): Edit {
  // A component of the page may be about to make a shadow tree of its own.
  const isCustom = element.localName.includes('-')
  const root = roots.get(element) ?? (isCustom ? undefined : attempt(() => element.attachShadow({ mode: 'open' })))
  return root ? slottedEdit(element, root, make) : hiddenEdit(element, make)
}

function slottedEdit(element: Element, root: ShadowRoot, make: () => Node[]): Edit {
  roots.set(element, root)
  const show = (name: string): void => {
    const slot = document.createElement('slot')
    if (name) slot.name = name
    root.replaceChildren(slot)
  }
  const inserted = insertEdit(element, 'end', () =>
    make().map((node) => {
      // A text cannot be put into a slot by itself.
      const child = node instanceof Element ? node : document.createElement('span')
      if (child !== node) child.append(node)
      child.slot = SLOT
      return child
    }))
  show('')
  return {
    holds: inserted.holds,
    make() {
      show(SLOT)
      inserted.make()
    },
    undo() {
      inserted.undo()
      show('')
    },
  }
}

function hiddenEdit(element: Element, make: () => Node[]): Edit {
  const inserted = insertEdit(element, 'end', make)
  const hidden = new Map<Node, Edit>()
  return {
    holds: () => inserted.holds() && ownNodes(element).every((node) => hidden.get(node)?.holds()),
    make() {
      for (const node of ownNodes(element)) {
        const edit = node instanceof HTMLElement
          ? styleEdit(node, { display: 'none' })
          : valueEdit<string | null>('', () => node.nodeValue, (text) => (node.nodeValue = text))
        hidden.set(node, edit)
        edit.make()
      }
      inserted.make()
    },
    undo() {
      inserted.undo()
      hidden.forEach((edit) => edit.undo())
    },
  }
}

/** What one node says of another's place: `Node.DOCUMENT_POSITION_PRECEDING` and `…_FOLLOWING`. */
const PRECEDING = 2
const FOLLOWING = 4

export type Where = 'before' | 'after' | 'start' | 'end'

const METHODS = { before: 'before', after: 'after', start: 'prepend', end: 'append' } as const

/** New nodes beside or in an element. */
export function insertEdit(element: Element, where: Where, make: () => Node[]): Edit {
  let nodes: ChildNode[] | undefined
  return {
    holds: () => !!nodes?.every((node) => node.isConnected),
    make() {
      // Where the page allows no markup of ours, there is none; it would not be allowed a moment later either.
      nodes = (attempt(make) ?? []) as ChildNode[]
      nodes.forEach((node) => ours.add(node))
      element[METHODS[where]](...nodes)
    },
    undo: () => nodes?.forEach((node) => node.remove()),
  }
}

/** An element elsewhere. Within one parent it disturbs no framework; out of it, one that removes it may fail. */
export function moveEdit(element: Element, where: Where, target: Element): Edit {
  let mark: Comment | undefined
  const holds = (): boolean => {
    // Several elements can be moved to one place, so only the side is looked at.
    if (where === 'start' || where === 'end') return element.parentNode === target
    const side = where === 'before' ? FOLLOWING : PRECEDING
    return element.parentNode === target.parentNode && !!(element.compareDocumentPosition(target) & side)
  }
  return {
    holds,
    make() {
      if (holds()) return
      mark = document.createComment('')
      element.before(mark)
      target[METHODS[where]](element)
    },
    undo() {
      if (element.isConnected && holds()) mark?.replaceWith(element)
      else mark?.remove()
    },
  }
}
