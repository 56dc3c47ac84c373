// A page that React renders on the server and takes over in the browser when it is told to.

import { useState } from 'react'
import { hydrateRoot } from 'react-dom/client'

export function Shop() {
  const [count, setCount] = useState(0)
  return (
    <main>
      <h1 id="title">Things that last</h1>
      <p id="count">{`Looked at ${count}`}</p>
      <button id="more" onClick={() => setCount(count + 1)}>More</button>
    </main>
  )
}

if (typeof window !== 'undefined') {
  window.faults = []
  window.hydrate = () => hydrateRoot(document.getElementById('root'), <Shop />, {
    onRecoverableError: (fault) => window.faults.push(String(fault)),
  })
}
