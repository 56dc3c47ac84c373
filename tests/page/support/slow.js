// A way to the server that is slow, or answers with faults.

import { createServer, request as call } from 'node:http'
import { setTimeout as pause } from 'node:timers/promises'

// `delays` has milliseconds by path, and `answers` a status in place of an answer.
export async function openSlowly(upstream, delays, answers = {}) {
  const server = createServer(async (request, response) => {
    const body = Buffer.concat(await request.toArray())
    const path = request.url.split('?')[0]
    await pause(delays[path] ?? delays['*'] ?? 0)
    const status = answers[path] ?? answers['*']
    if (status) {
      response.writeHead(status, { 'access-control-allow-origin': '*' }).end('broken')
      return
    }
    const { method, headers, url } = request
    const forwarded = call(upstream + url, { method, headers }, (answer) =>
      answer.pipe(response.writeHead(answer.statusCode, answer.headers)))
    forwarded.on('error', () => request.socket.destroy())
    forwarded.end(body)
  })
  await new Promise((listening) => server.listen(0, '127.0.0.1', listening))
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    close() {
      server.closeAllConnections()
      return new Promise((closed) => server.close(closed))
    },
  }
}
