// The server under test, asked the way an operator asks it: through its management interface.
// Started through tests/harness/concierge_server.py, which says where the server is.

import assert from 'node:assert/strict'

export const SERVER = environment('CONCIERGE_SERVER')
export const WRITE_KEY = environment('CONCIERGE_WRITE_KEY')
const TOKEN = environment('CONCIERGE_TOKEN')

function environment(name) {
  const value = process.env[name]
  assert.ok(value, `${name} is not set; run this through \`make test-node\``)
  return value
}

async function call(method, path, { query, body, secret = TOKEN }) {
  const url = `${SERVER}${path}?${new URLSearchParams(query)}`
  const headers = { authorization: `Bearer ${secret}` }
  const answer = await fetch(url, { method, headers, body: body && JSON.stringify(body) })
  const text = await answer.text()
  assert.ok(answer.ok, `${method} ${url} answered ${answer.status}: ${text}`)
  return JSON.parse(text)
}

// What stands under a path.
export const get = (path, query = {}) => call('GET', path, { query })

// Saves a definition.
export const define = (kind, key, document) => call('PUT', `/api/v1/${kind}/${key}`, { body: document })

// Sends one event, and waits until it counts.
export const track = (event) => call('POST', '/v1/batch', { body: { batch: [event] }, secret: WRITE_KEY })

// The person who holds an identifier.
export const person = (type, value) => get('/api/v1/profiles/lookup', { type, value })

// What was decided for somebody, newest first.
export async function decisions(type, value) {
  const { id } = await person(type, value)
  const { items } = await get(`/api/v1/profiles/${id}/decisions`)
  return items.flatMap((record) => record.decisions)
}
