// Keeps unseen what may be about to change: those elements alone, in the boxes that they have, and not for long.

import { attempt, parsed } from './guard.ts'
import { HIDDEN, type Storage } from './storage.ts'

/** Elements that an experience may change on some pages. */
export interface Hidden {
  /** Paths, a `*` at the end standing for anything; every page when absent. */
  paths?: string[]
  selectors: string[]
}

/** Elements that say that they are for a placement. */
export const SLOTS = '[data-concierge]'

/** Most pages for which that is kept; the oldest go first. */
const PAGES_MAX = 50

/** The selectors of those that may change on a page, as far as the browser understands them. */
export const selectorsFor = (path: string, hidden: Hidden[]): string[] =>
  hidden.filter(({ paths }) => !paths || paths.some((one) => fits(path, one)))
    .flatMap(({ selectors }) => selectors)
    .filter((selector) => attempt(() => document.querySelector(selector)) !== undefined)

/** Keeps the selectors of a page for the snippet, which cannot know them otherwise. */
export function remember(storage: Storage, path: string, selectors: string[]): void {
  const { [path]: _, ...others } = parsed<Record<string, string>>(storage.get(HIDDEN)) ?? {}
  const pages = Object.entries(others).slice(1 - PAGES_MAX)
  if (selectors.length) pages.push([path, selectors.join()])
  storage.set(HIDDEN, pages.length ? JSON.stringify(Object.fromEntries(pages)) : undefined)
}

const fits = (path: string, pattern: string): boolean =>
  pattern.endsWith('*') ? path.startsWith(pattern.slice(0, -1)) : path === pattern

/** Hides what selectors find, now and as it appears, and answers with what shows it again. */
export function hide(selectors: string[]): () => void {
  const sheet = adopt(selectors.map((selector) => `${selector}{visibility:hidden!important}`).join(''))
  return () => drop(sheet)
}

/** Gives the page a style sheet. Scripts may, where a content security policy forbids one in markup. */
export function adopt(css: string): CSSStyleSheet | undefined {
  return attempt(() => {
    const sheet = new CSSStyleSheet()
    sheet.replaceSync(css)
    document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet]
    return sheet
  })
}

export function drop(sheet: CSSStyleSheet | undefined): void {
  if (sheet) document.adoptedStyleSheets = document.adoptedStyleSheets.filter((one) => one !== sheet)
}
