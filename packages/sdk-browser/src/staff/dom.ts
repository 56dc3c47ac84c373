// Elements of the panel. Whatever is shown is text: names, values and content come from definitions and from people.

import { make, type Child } from '../dom.ts'

/** Strokes on a square of 16. */
const ICONS = {
  again: 'M13 8a5 5 0 1 1-1.5-3.5L13 6M13 2.5V6H9.5',
  aim: 'M8 1.5v3M8 11.5v3M1.5 8h3M11.5 8h3M8 6a2 2 0 1 0 0 4a2 2 0 0 0 0-4',
  close: 'M4 4l8 8M12 4l-8 8',
  down: 'M8 3v10M4 9l4 4l4-4',
  less: 'M4 8h8',
  no: 'M4.5 4.5l7 7M11.5 4.5l-7 7',
  tell: 'M8 8.01V8',
  unknown: 'M6 6.2a2 2 0 1 1 2.8 1.9c-.5.3-.8.7-.8 1.4M8 12v.01',
  up: 'M8 13V3M4 7l4-4l4 4',
  yes: 'M3.5 8.5l3 3l6-7',
} as const
export type Icon = keyof typeof ICONS

export function icon(name: Icon): SVGElement {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg')
  svg.setAttribute('viewBox', '0 0 16 16')
  svg.setAttribute('aria-hidden', 'true')
  svg.classList.add('icon', `icon-${name}`)
  const path = document.createElementNS(svg.namespaceURI, 'path')
  path.setAttribute('d', ICONS[name])
  svg.append(path)
  return svg as SVGElement
}

/** A button that shows an icon alone. */
export const iconButton = (name: Icon, label: string, click: () => void): HTMLButtonElement =>
  make('button', { type: 'button', class: 'plain', 'aria-label': label, title: label, on: { click } }, icon(name))

/** A value of somebody's, in whichever direction it is written. */
export const value = (text: string): HTMLElement => make('bdi', {}, text)

/** How the condition language compares, in words. */
const COMPARISONS: Record<string, string> = {
  eq: '', ne: 'anything but ', gt: 'more than ', gte: 'at least ', lt: 'less than ', lte: 'at most ',
}

/** What the server says of a step, with its keys set as such and its instants as the clock here shows them. */
export function words(text: string): HTMLElement {
  const plain = text.replace(/\bwanted (eq|ne|gte?|lte?) /g, (_, name: string) => `wanted ${COMPARISONS[name]}`)
  const parts = plain.split(/`([^`]*)`|(\d{4}-\d\d-\d\dT[\d:.]+Z)/)
  const said = parts.map((part, index): Child => {
    if (!part) return undefined
    if (index % 3 === 1) return make('code', {}, part)
    return index % 3 === 2 ? make('time', { datetime: part, title: part }, timeOf(part)) : part
  })
  return make('bdi', {}, ...said)
}

/** An instant as short as it can be told: the day only where it is another. */
export function timeOf(instant: string): string {
  const at = new Date(instant)
  const isToday = at.toDateString() === new Date().toDateString()
  return at.toLocaleString([], isToday ? { timeStyle: 'short' } : { dateStyle: 'medium', timeStyle: 'short' })
}
