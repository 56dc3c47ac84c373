// Renders the pages of the plain shop, while it is built.

import { renderToStaticMarkup } from 'react-dom/server'

import { ConciergeProvider } from '@concierge/browser/react'

import { PATHS, pageOf } from './pages.jsx'
import { TEXTS } from './texts.js'
import { Layout, Shop } from './views.jsx'

export { PATHS }

/** The title and the body of a page. */
export function render(path, locale) {
  const { element, title } = pageOf(path, new URLSearchParams(), TEXTS[locale], locale)
  const body = renderToStaticMarkup(
    <Shop.Provider value={{ locale, path: path === '/404' ? '/' : path, root: '', isPlain: true }}>
      <ConciergeProvider><Layout>{element}</Layout></ConciergeProvider>
    </Shop.Provider>,
  )
  return { title, body }
}
