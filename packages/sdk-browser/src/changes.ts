// Declared changes, kept up on a page that goes on living: made as soon as their elements are there, made again where
// the page undoes them, and taken back exactly.

import {
  allOf, attributeEdit, classEdit, contentEdit, insertEdit, moveEdit, ours, styleEdit, textEdit, type Edit,
  type Where,
} from './edit.ts'
import { attempt } from './guard.ts'
import { adopt, drop } from './hide.ts'
import { isSafeAddress, isSafeAttribute, sanitise } from './sanitise.ts'

/** Where something is changed: the first of the selectors that finds anything. */
export interface Place {
  selector: string
  fallbacks?: string[]
}

/** What is changed there. */
export type Change = Place &
  (
    | { kind: 'text'; value: string }
    | { kind: 'html'; html: string; css?: string }
    | { kind: 'attribute'; name: string; value: string | null }
    | { kind: 'class'; add?: string[]; remove?: string[] }
    | { kind: 'style'; value: Record<string, string> }
    | { kind: 'image'; src: string; alt?: string }
    | { kind: 'move'; where: Where; target: string }
    | { kind: 'insert'; where: Where; html: string; css?: string }
    | { kind: 'hide' }
  )

/** What became of a change. */
export interface Fate {
  change: Change
  /** How often the page undid it. */
  overwritten: number
}

export interface Changes {
  /** Makes changes, now and for as long as they are not taken back; `made` is called with each element changed. */
  make(changes: Change[], made: (element: Element) => void): Fate[]
  /** Takes everything back, the last first. */
  revert(): void
  /** Calls whenever the page has changed, until the next `revert`. */
  watch(look: () => void): void
}

/** Most elements that one change is made at. */
const ELEMENTS_MAX = 100
/** So long it is waited for a framework to take over what the server rendered, in milliseconds. */
const ALIVE_MS = 10_000
/** How often one change is made again within a second. A page and we must not undo each other for ever. */
const AGAIN_MAX = 50
const SECOND_MS = 1_000

interface Kept extends Fate {
  edits: Map<Element, Edit>
  made: (element: Element) => void
  again: number
  since: number
}

export function openChanges(): Changes {
  let kept: Kept[] = []
  let watchers: (() => void)[] = []
  let frame: number | undefined
  let isAliveBy = 0
  /** What is changed of each element, lest two changes undo each other for ever: the first holds. */
  let claims = new WeakMap<Element, Set<string>>()

  const observer = new MutationObserver(() => {
    // Before anything is changed, since it may be found no more then.
    watchers.forEach((look) => attempt(look))
    keepUp()
  })
  /** Looks at everything again. Frameworks render before the browser paints, and so do we: nothing flickers. */
  function keepUp(): void {
    kept.forEach((one) => attempt(() => ensure(one)))
    // What was changed here is no news.
    observer.takeRecords()
  }
  /** No mutation tells that a framework has taken over what the server rendered. */
  function soon(): void {
    if (isAliveBy < performance.now()) return
    frame ??= requestAnimationFrame(() => {
      frame = undefined
      keepUp()
    })
  }
  function observe(): void {
    observer.observe(document.documentElement, {
      attributes: true, characterData: true, childList: true, subtree: true,
    })
  }

  function ensure(one: Kept): void {
    const { change, edits } = one
    const found = find(change)
    const undone = [...edits].filter(([element, edit]) => !element.isConnected || !edit.holds())
    const isAgain = undone.length > 0 && mayAgain(one)
    for (const [element, edit] of undone) {
      // The page has thrown the element away, or uses it for something else: what we did goes with it.
      const isGone = !element.isConnected || !found.includes(element)
      if (!isGone && !isAgain) continue
      edit.undo()
      edits.delete(element)
      if (isGone) claims.get(element)?.delete(claimOf(change))
      else {
        one.overwritten += 1
        make(one, element)
      }
    }
    for (const element of found) {
      if (edits.has(element)) continue
      if (!isHydrated(element)) soon()
      else if (claim(element, claimOf(change))) make(one, element)
    }
  }

  function claim(element: Element, what: string): boolean {
    const claimed = claims.get(element) ?? new Set()
    claims.set(element, claimed)
    return !what || (!claimed.has(what) && !!claimed.add(what))
  }

  return {
    make(changes, made) {
      const added = changes.map((change): Kept =>
        ({ change, made, overwritten: 0, edits: new Map(), again: 0, since: 0 }))
      kept.push(...added)
      isAliveBy = performance.now() + ALIVE_MS
      keepUp()
      observe()
      return added
    },
    revert() {
      observer.disconnect()
      for (const { edits } of kept.reverse()) edits.forEach((edit) => attempt(() => edit.undo()))
      kept = []
      watchers = []
      claims = new WeakMap()
    },
    watch(look) {
      watchers.push(look)
      observe()
    },
  }
}

function make({ change, edits, made }: Kept, element: Element): void {
  const edit = editOf(element, change)
  if (!edit) return
  edits.set(element, edit)
  edit.make()
  made(element)
}

/** What one change alone may do to an element; nothing where several get on with each other. */
function claimOf(change: Change): string {
  if (change.kind === 'attribute') return change.name
  return { text: 'content', html: 'content', image: 'src' }[change.kind as string] ?? ''
}

function mayAgain(one: Kept): boolean {
  const now = performance.now()
  if (SECOND_MS < now - one.since) {
    one.since = now
    one.again = 0
  }
  one.again += 1
  return one.again <= AGAIN_MAX
}

/** The elements of a place. */
export function find({ selector, fallbacks = [] }: Place): Element[] {
  for (const one of [selector, ...fallbacks]) {
    const found = attempt(() => [...document.querySelectorAll(one)]) ?? []
    const theirs = found.filter((element) => !isOurs(element) && !element.matches(UNTOUCHED))
    if (theirs.length) return theirs.slice(0, ELEMENTS_MAX)
  }
  return []
}

/** What runs, loads or styles is no content, wherever a selector leads. */
const UNTOUCHED = 'script,style,link,base,meta,object,embed,animate,set'

function isOurs(node: Node | null): boolean {
  for (let at = node; at; at = at.parentNode) if (ours.has(at)) return true
  return false
}

/**
 * Whether an element may be changed: in a root that says that it is rendered on the server and made alive later,
 * a framework must have taken the element over, since it compares what it finds with what it would render.
 */
function isHydrated(element: Element): boolean {
  const root = element.closest('[data-concierge-hydrate]')
  return !root || isHeld(element, '__react') || isHeld(root, '__vue')
}

const isHeld = (element: Element, prefix: string): boolean =>
  Object.keys(element).some((name) => name.startsWith(prefix))

/** An edit with a style sheet for what it shows. */
function styled(css: string | undefined, edit: Edit): Edit {
  if (!css) return edit
  let sheet: CSSStyleSheet | undefined
  return {
    holds: edit.holds,
    make() {
      sheet = adopt(css)
      edit.make()
    },
    undo() {
      edit.undo()
      drop(sheet)
    },
  }
}

const markup = (html: string) => (): Node[] => sanitise(html)

function editOf(element: Element, change: Change): Edit | undefined {
  switch (change.kind) {
    case 'text':
      return textEdit(element, change.value)
    case 'html':
      return styled(change.css, contentEdit(element, markup(change.html)))
    case 'attribute':
      if (!isSafeAttribute(change.name, change.value ?? '')) return undefined
      return attributeEdit(element, change.name, change.value)
    case 'class': {
      const { add = [], remove = [] } = change
      return allOf([
        ...add.map((name) => classEdit(element, name, true)),
        ...remove.map((name) => classEdit(element, name, false)),
      ])
    }
    case 'style':
      return styleEdit(element as HTMLElement, change.value)
    case 'image':
      if (!isSafeAddress(change.src)) return undefined
      return allOf([
        attributeEdit(element, 'srcset', null),
        attributeEdit(element, 'src', change.src),
        ...(change.alt === undefined ? [] : [attributeEdit(element, 'alt', change.alt)]),
      ])
    case 'move': {
      const [target] = find({ selector: change.target })
      return target && target !== element ? moveEdit(element, change.where, target) : undefined
    }
    case 'insert':
      return styled(change.css, insertEdit(element, change.where, markup(change.html)))
    case 'hide':
      return styleEdit(element as HTMLElement, { display: 'none' })
  }
}
