// What is remembered for as long as a tab is open; nothing where the browser allows none.

import { attempt } from '../guard.ts'

/** Where the client keeps the link's token. */
export const PREVIEW = 'concierge_preview'
/** Whether the panel is open. */
export const PANEL = 'concierge_why'
/** Where the bar is, and whether it is small. */
export const BAR = 'concierge_bar'

export const recall = (name: string): string => attempt(() => sessionStorage.getItem(name)) ?? ''

export function remember(name: string, text: string): void {
  attempt(() => sessionStorage.setItem(name, text))
}
