// The module: `start` gives a page's Concierge.

export { start, type Concierge, type Hear, type Options, type Properties } from './start.ts'
export type { Change, Place } from './changes.ts'
export type { ConsentMode, Purposes } from './consent.ts'
export type { Decision } from './decisions.ts'
export type { Content } from './slots.ts'
