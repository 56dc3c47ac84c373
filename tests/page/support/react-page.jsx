import { useEffect, useState } from 'react'
import { createRoot } from 'react-dom/client'

const EVERY_MS = 50

function Page() {
  const [round, setRound] = useState(0)
  useEffect(() => {
    const timer = setInterval(() => setRound((round) => round + 1), EVERY_MS)
    return () => clearInterval(timer)
  }, [])
  const away = () => history.pushState({}, '', '/elsewhere')
  return (
    <main id="app">
      <h1 id="title">{`Round ${round}`}</h1>
      <div id="content">{round % 2 ? <i>odd</i> : <b>even</b>}{round % 3 ? 'some' : null}</div>
      <a id="link" href={`/round/${round}`}>Link</a>
      <div id="box" className={`box cold round-${round % 2}`}>Box</div>
      <img id="picture" src="/a.png" alt="A" />
      <ul id="list"><li id="first">First</li><li id="second">{`Second ${round}`}</li></ul>
      <p id="tail" key={round}>Tail</p>
      <p id="gone" style={{ display: round % 2 ? 'block' : 'flex' }}>Gone</p>
      <button id="away" onClick={away}>Away</button>
    </main>
  )
}

createRoot(document.getElementById('root')).render(<Page />)
