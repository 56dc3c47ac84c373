// A single-page shop whose hero is a placement, on two routes.

import { useSyncExternalStore } from 'react'
import { createRoot } from 'react-dom/client'

import { start } from '@concierge/browser'
import { ConciergeProvider, Placement, usePlacement } from '@concierge/browser/react'

const listeners = new Set()
const go = (path) => {
  history.pushState({}, '', path)
  listeners.forEach((listener) => listener())
}
const subscribe = (listener) => {
  listeners.add(listener)
  addEventListener('popstate', listener)
  return () => listeners.delete(listener)
}

function Shop() {
  const path = useSyncExternalStore(subscribe, () => location.pathname)
  const row = usePlacement('wrapped_row')
  return (
    <main>
      <Placement name="wrapped_hero" as="section">
        {(content) => <h1>{content ? content.title : 'Default'}</h1>}
      </Placement>
      <p id="row">{row ? row.title : 'No row'}</p>
      <p id="path">{path}</p>
      <button id="away" onClick={() => go('/elsewhere')}>Away</button>
      <button id="back" onClick={() => go('/wrapped/react')}>Back</button>
    </main>
  )
}

const concierge = start(window.options)
createRoot(document.getElementById('root')).render(
  <ConciergeProvider concierge={concierge}><Shop /></ConciergeProvider>,
)
