// The shop as a single-page application.

import { useEffect, useState } from 'react'
import { createRoot } from 'react-dom/client'

import { start } from '@concierge/browser'
import { ConciergeProvider } from '@concierge/browser/react'

import { pageOf } from './pages.jsx'
import { openStore } from './store.js'
import { TEXTS } from './texts.js'
import { toast } from './toast.js'
import { Layout, Shop, addressOf } from './views.jsx'

const ROOT = '/react'
const concierge = start({ ...window.conciergeServer, searchParameter: 'q' })
const own = openStore(concierge)
const store = {
  ...own,
  add(id) {
    own.add(id)
    toast(id, document.documentElement.lang)
  },
}

/** The language and the path within the shop that an address stands for. */
function placeOf({ pathname, search }) {
  const [, locale = 'en', path] = /^\/react(?:\/(sv|ar)(?=\/|$))?(\/.*)?$/.exec(pathname) ?? []
  return { locale, path: path?.replace(/(.)\/$/, '$1') ?? '/', search }
}

function App() {
  const [place, setPlace] = useState(() => placeOf(location))
  const { locale, path, search } = place
  const t = TEXTS[locale]
  const { element, title, told } = pageOf(path, new URLSearchParams(search), t, locale)

  const move = (address) => {
    history.pushState({}, '', address)
    setPlace(placeOf(location))
    scrollTo(0, 0)
  }
  const go = (path) => move(addressOf(ROOT, locale, path))

  useEffect(() => {
    const back = () => setPlace(placeOf(location))
    addEventListener('popstate', back)
    return () => removeEventListener('popstate', back)
  }, [])
  useEffect(() => {
    Object.assign(document.documentElement, { lang: locale, dir: t.direction })
    document.title = `${title} · Tallby`
  }, [locale, t, title])
  // By what is shown, not by what is told of it, which is made anew whenever this is rendered.
  useEffect(() => {
    if (told) concierge.track(...told)
  }, [path])

  const follow = (event) => {
    const link = event.target.closest('a')
    const isOurs = link && link.origin === location.origin && link.pathname.startsWith(`${ROOT}/`) && !link.hash
    const isPlain = event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey
    if (!isOurs || !isPlain) return
    event.preventDefault()
    move(link.href)
  }
  const find = (event) => {
    const form = event.target.closest('[role=search]')
    if (!form) return
    event.preventDefault()
    go(`/search?${new URLSearchParams(new FormData(form))}`)
  }
  const shop = { locale, path, root: ROOT, isPlain: false, go, store }
  return (
    <Shop.Provider value={shop}>
      <div onClick={follow} onSubmit={find}><Layout>{element}</Layout></div>
    </Shop.Provider>
  )
}

createRoot(document.getElementById('root')).render(<ConciergeProvider concierge={concierge}><App /></ConciergeProvider>)
