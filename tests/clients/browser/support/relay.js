// A way to the server that can break: it refuses connections, or brings calls to the server and keeps the answers.

import { createServer, request as call } from 'node:http'

// What becomes of the server's answer to a POST.
export const PASSED = 'passed'
export const LOST = 'lost'
export const LATE = 'late'

export async function openRelay(upstream) {
  const relay = {
    // Every POST that the server has answered: its path, its body, and what became of the answer.
    posted: [],
    answers: PASSED,
  }
  const server = createServer(async (request, response) => {
    const body = Buffer.concat(await request.toArray())
    const { method, headers, url } = request
    const forwarded = call(upstream + url, { method, headers }, (answer) => {
      const fate = method === 'POST' ? relay.answers : PASSED
      if (method === 'POST') relay.posted.push({ path: url.split('?')[0], body: JSON.parse(body), fate })
      if (fate === PASSED) answer.pipe(response.writeHead(answer.statusCode, answer.headers))
      // One that is late never comes: whoever waits for it has gone before.
      else answer.resume()
      if (fate === LOST) request.socket.destroy()
    })
    // The server is there as long as the tests are, so only a page that has gone can end a call.
    forwarded.on('error', () => request.socket.destroy())
    forwarded.end(body)
  })
  const listen = (port) => new Promise((listening) => server.listen(port, '127.0.0.1', listening))
  await listen(0)
  const { port } = server.address()
  relay.url = `http://127.0.0.1:${port}`
  relay.accept = () => listen(port)
  relay.refuse = () => {
    const closed = new Promise((done) => server.close(done))
    server.closeAllConnections()
    return closed
  }
  relay.close = () => (server.listening ? relay.refuse() : undefined)
  return relay
}
