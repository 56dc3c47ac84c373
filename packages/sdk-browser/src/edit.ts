// One change at one element, which can be looked at again and taken back exactly.

import { attempt } from './guard.ts'

export interface Edit {
  /** Makes the change, unless it is there. What the page has put there meanwhile is what is given back. */
  make(): void
  /** Whether the change is there. */
  holds(): boolean
  /** Gives back what the page had put there last. */
  undo(): void
}

/** Something of an element that has a value. `write` may be handed what `read` answered. */
export function valueEdit<T>(value: T, read: () => T, write: (value: T) => void): Edit {
  let original: { value: T } | undefined
  // What is read after writing may be written otherwise: `RED` becomes `red`.
  let written = value
  const holds = (): boolean => read() === written
  return {
    holds,
    make() {
      if (holds()) return
      original = { value: read() }
      write(value)
      written = read()
    },
    undo() {
      if (original && holds()) write(original.value)
    },
  }
}

export const allOf = (edits: Edit[]): Edit => ({
  holds: () => edits.every((edit) => edit.holds()),
  make: () => edits.forEach((edit) => edit.make()),
  undo: () => edits.forEach((edit) => edit.undo()),
})

export function attributeEdit(element: Element, name: string, value: string | null): Edit {
  return valueEdit<string | null>(
    value,
    () => element.getAttribute(name),
    (value) => (value === null ? element.removeAttribute(name) : element.setAttribute(name, value)),
  )
}

export function classEdit(element: Element, name: string, isThere: boolean): Edit {
  const tidy = tidier(element, 'class')
  return valueEdit(
    isThere,
    () => element.classList.contains(name),
    (isThere) => {
      element.classList.toggle(name, isThere)
      tidy()
    },
  )
}

/** Takes an attribute away again that is empty and was not there. */
function tidier(element: Element, name: string): () => void {
  const wasThere = element.hasAttribute(name)
  return () => {
    if (!wasThere && !element.getAttribute(name)) element.removeAttribute(name)
  }
}

/** By the element's own style, which a content security policy lets scripts set. */
export function styleEdit(element: HTMLElement, name: string, value: string): Edit {
  const { style } = element
  const tidy = tidier(element, 'style')
  return valueEdit(
    `${value}!important`,
    () => `${style.getPropertyValue(name)}!${style.getPropertyPriority(name)}`,
    (text) => {
      const [value, priority] = text.split('!') as [string, string]
      style.setProperty(name, value, priority)
      tidy()
    },
  )
}

/** Text in place of an element's content. Of a single text node the data is changed, which frameworks hold on to. */
export function textEdit(element: Element, text: string): Edit {
  const only = (): Text | undefined => {
    const { firstChild, childNodes } = element
    return childNodes.length === 1 && firstChild instanceof Text ? firstChild : undefined
  }
  if (!only()) return contentEdit(element, () => [document.createTextNode(text)])
  return valueEdit<string | undefined>(
    text,
    () => only()?.data,
    (text) => {
      const node = only()
      if (node) node.data = text ?? ''
    },
  )
}

const SLOT = 'concierge'
const roots = new WeakMap<Element, ShadowRoot>()

/**
 * Other nodes in place of an element's content. Where an element can have a shadow tree, its own children stay where
 * they are and are only not shown, so that a framework can go on to change and remove them; the page's styles hold for
 * what is shown in their place, since that is a child as well.
 */
export function contentEdit(element: Element, make: () => Node[]): Edit {
  const root = roots.get(element) ?? attempt(() => element.attachShadow({ mode: 'open' }))
  return root ? slottedEdit(element, root, make) : replacedEdit(element, make)
}

function slottedEdit(element: Element, root: ShadowRoot, make: () => Node[]): Edit {
  roots.set(element, root)
  let nodes: Element[] = []
  const show = (name: string): void => {
    const slot = document.createElement('slot')
    if (name) slot.name = name
    root.replaceChildren(slot)
  }
  show('')
  return {
    holds: () => nodes.length > 0 && nodes.every((node) => node.parentNode === element),
    make() {
      nodes.forEach((node) => node.remove())
      nodes = make().map((node) => {
        // A text cannot be put into a slot by itself.
        const child = node instanceof Element ? node : document.createElement('span')
        if (child !== node) child.append(node)
        child.slot = SLOT
        return child
      })
      show(SLOT)
      element.append(...nodes)
    },
    undo() {
      nodes.forEach((node) => node.remove())
      nodes = []
      show('')
    },
  }
}

function replacedEdit(element: Element, make: () => Node[]): Edit {
  let original: Node[] = []
  let nodes: Node[] | undefined
  const holds = (): boolean => nodes !== undefined && nodes.length === element.childNodes.length &&
    nodes.every((node) => node.parentNode === element)
  return {
    holds,
    make() {
      original = [...element.childNodes].filter((node) => !nodes?.includes(node))
      nodes = make()
      element.replaceChildren(...nodes)
    },
    undo() {
      if (holds()) element.replaceChildren(...original)
    },
  }
}

export type Where = 'before' | 'after' | 'start' | 'end'

const METHODS = { before: 'before', after: 'after', start: 'prepend', end: 'append' } as const

/** New nodes beside or in an element. */
export function insertEdit(element: Element, where: Where, make: () => Node[]): Edit {
  let nodes: ChildNode[] = []
  return {
    holds: () => nodes.length > 0 && nodes.every((node) => node.isConnected),
    make() {
      nodes.forEach((node) => node.remove())
      nodes = make() as ChildNode[]
      element[METHODS[where]](...nodes)
    },
    undo: () => nodes.forEach((node) => node.remove()),
  }
}

/** An element elsewhere. Within one parent it disturbs no framework; out of it, one that removes it may fail. */
export function moveEdit(element: Element, where: Where, target: Element): Edit {
  let mark: Comment | undefined
  return {
    // Several elements can be moved to one place, so only the side is looked at.
    holds() {
      if (where === 'start' || where === 'end') return element.parentNode === target
      const side = where === 'before' ? Node.DOCUMENT_POSITION_FOLLOWING : Node.DOCUMENT_POSITION_PRECEDING
      const isBeside = element.parentNode === target.parentNode
      return isBeside && (element.compareDocumentPosition(target) & side) !== 0
    },
    make() {
      if (this.holds()) return
      mark?.remove()
      mark = document.createComment('')
      element.before(mark)
      target[METHODS[where]](element)
    },
    undo() {
      if (element.isConnected) mark?.replaceWith(element)
      else mark?.remove()
      mark = undefined
    },
  }
}
