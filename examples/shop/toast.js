// Says for a moment what was put into the cart, also to those who listen.

import { nameOf, productOf } from './catalogue.js'
import { TEXTS } from './texts.js'

const SHOWN_MS = 2_500
let timer

export function toast(id, locale) {
  const element = document.querySelector('[data-toast]')
  element.textContent = `${TEXTS[locale].added}: ${nameOf(productOf(id), locale)}`
  element.classList.add('on')
  clearTimeout(timer)
  timer = setTimeout(() => element.classList.remove('on'), SHOWN_MS)
}
