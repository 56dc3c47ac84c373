// What is remembered for as long as a tab is open; nothing where the browser allows none.

import { attempt } from '../guard.ts'
import { PREVIEW } from '../storage.ts'

/** Whether the panel is open. */
export const PANEL = 'concierge_why'
/** Where the bar is, and whether it is small. */
export const BAR = 'concierge_bar'

export const recall = (name: string): string => attempt(() => sessionStorage.getItem(name)) ?? ''

export function remember(name: string, text: string): void {
  attempt(() => sessionStorage.setItem(name, text))
}

/** Says to whatever renders pages, such as the proxy, that what visitors are shown is not for this browser. */
export function sayPreview(seconds: number): void {
  const secure = location.protocol === 'https:' ? '; Secure' : ''
  attempt(() => (document.cookie = `${PREVIEW}=1; Path=/; Max-Age=${seconds}; SameSite=Lax${secure}`))
}

/** Forgets the link. */
export function forgetPreview(): void {
  remember(PREVIEW, '')
  sayPreview(0)
}
