// Keeps unseen what may be about to change: those elements alone, in the boxes that they have, and not for long.

import { attempt } from './guard.ts'

/** Elements that an experience may change on some pages. */
export interface Hidden {
  /** Paths, a `*` at the end standing for anything; every page when absent. */
  paths?: string[]
  selectors: string[]
}

/** Elements that say that they are for a placement. */
export const SLOTS = '[data-concierge]'

/** The selectors of those that may change on a page. */
export const selectorsFor = (path: string, hidden: Hidden[]): string[] =>
  [SLOTS].concat(...hidden.filter(({ paths }) => !paths || paths.some((one) => fits(path, one)))
    .map(({ selectors }) => selectors))

const fits = (path: string, pattern: string): boolean =>
  pattern.endsWith('*') ? path.startsWith(pattern.slice(0, -1)) : path === pattern

/** Hides what selectors find, now and as it appears, and answers with what shows it again. */
export function hide(selectors: string[]): () => void {
  // Scripts may make style sheets where a content security policy forbids them in markup.
  const sheet = attempt(() => new CSSStyleSheet())
  if (!sheet || !document.adoptedStyleSheets) return () => undefined
  for (const selector of selectors) attempt(() => sheet.insertRule(`${selector}{visibility:hidden!important}`))
  document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet]
  return () => show(sheet)
}

export function show(sheet: CSSStyleSheet): void {
  document.adoptedStyleSheets = document.adoptedStyleSheets.filter((one) => one !== sheet)
}
