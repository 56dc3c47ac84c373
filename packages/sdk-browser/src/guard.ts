// What keeps a fault of ours from becoming the page's.

/** Does something that a page, a browser or an extension can make fail; `undefined` then. */
export function attempt<T>(run: () => T): T | undefined {
  try {
    return run()
  } catch {
    return undefined
  }
}

/** What a text of JSON says; `undefined` where there is none, or it says nothing. */
export const parsed = <T>(text: string | null | undefined): T | undefined => attempt(() => JSON.parse(text!) as T)

/** Hears events of a page for as long as it lives, or until the signal; a fault in `hear` reaches nobody. */
export function listen<E extends Event = Event>(
  target: EventTarget, type: string, hear: (event: E) => void, signal?: AbortSignal,
): void {
  target.addEventListener(type, (event) => attempt(() => hear(event as E)), { capture: true, passive: true, signal: signal! })
}

/** What somebody does who is there. */
export const ACTIVITY = ['pointermove', 'pointerdown', 'keydown', 'scroll']

/** 128 random bits as 32 hexadecimal digits. Unlike `crypto.randomUUID` it is there on plain HTTP, too. */
export function newId(): string {
  let digits = ''
  for (const byte of crypto.getRandomValues(new Uint8Array(16))) digits += (byte + 256).toString(16).slice(1)
  return digits
}
