// Frames around what a decision is about, over the page and in nobody's way.

import { make } from '../dom.ts'

/** Shows frames around elements until it is called with others, or none. */
export function openHighlight(root: ShadowRoot): (elements: Element[]) => void {
  let frame = 0
  let framed: [Element, HTMLElement][] = []
  const follow = (): void => {
    for (const [element, box] of framed) {
      const { top, left, width, height } = element.getBoundingClientRect()
      Object.assign(box.style, { top: `${top}px`, left: `${left}px`, width: `${width}px`, height: `${height}px` })
    }
    frame = framed.length ? requestAnimationFrame(follow) : 0
  }
  return (elements) => {
    cancelAnimationFrame(frame)
    framed.forEach(([, box]) => box.remove())
    framed = elements.map((element) => [element, make('div', { class: 'frame' })])
    root.prepend(...framed.map(([, box]) => box))
    follow()
  }
}
