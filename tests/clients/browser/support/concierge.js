// The server under test, asked the way an operator asks it: through its management interface.
// Started through tests/harness/concierge_server.py, which says where the server is.

import assert from 'node:assert/strict'
import { setTimeout as pause } from 'node:timers/promises'

const SERVER = environment('CONCIERGE_SERVER')
const WRITE_KEY = environment('CONCIERGE_WRITE_KEY')
const TOKEN = environment('CONCIERGE_TOKEN')

// Clients wait before they send and before they try again; this is longer than any of them does here.
const ARRIVAL_SECONDS_MAX = 30
const POLL_MS = 25

export { SERVER, WRITE_KEY }

export function environment(name) {
  const value = process.env[name]
  assert.ok(value, `${name} is not set; run this through \`make test-browser\``)
  return value
}

// What stands under a path, or null where nothing does.
async function read(path, query = {}) {
  const url = `${SERVER}${path}?${new URLSearchParams(query)}`
  const answer = await fetch(url, { headers: { authorization: `Bearer ${TOKEN}` } })
  const text = await answer.text()
  if (answer.status === 404) return null
  assert.equal(answer.status, 200, `${url} answered ${answer.status}: ${text}`)
  return JSON.parse(text)
}

// A browser without a screen says that it is none of a person: its events are marked, and are to count all the same.
export async function countPrograms() {
  await define('traffic_rules', 'browsers', { state: 'live', mark: 'bot', known_bots: true, counts: true })
}

// Saves a definition.
export async function define(kind, key, document) {
  const url = `${SERVER}/api/v1/${kind}/${key}`
  const headers = { authorization: `Bearer ${TOKEN}` }
  const answer = await fetch(url, { method: 'PUT', headers, body: JSON.stringify(document) })
  assert.ok(answer.ok, `${url} was answered with ${answer.status}: ${await answer.text()}`)
}

// The person who holds an identifier, or null.
export const person = (type, value) => read('/api/v1/profiles/lookup', { type, value })

// Everything on the timeline of whoever holds an identifier, oldest first.
export async function events(type, value) {
  const profile = await person(type, value)
  const found = []
  let cursor
  while (profile && cursor !== null) {
    const page = await read(`/api/v1/profiles/${profile.id}/timeline`, cursor ? { cursor } : {})
    found.push(...page.items)
    cursor = page.next_cursor
  }
  return found.reverse()
}

// What was decided for whoever holds an identifier, newest first.
export async function decisions(type, value) {
  const { id } = await person(type, value)
  const { items } = await read(`/api/v1/profiles/${id}/decisions`)
  return items.flatMap((record) => record.decisions)
}

// How often each name is among events.
export function counted(found) {
  const counts = {}
  for (const { name } of found) counts[name] = (counts[name] ?? 0) + 1
  return counts
}

// What was set aside, newest first.
export const quarantine = async () => (await read('/api/v1/quarantine')).items

// Asks again and again until an answer is there.
export async function eventually(what, ask) {
  const deadline = Date.now() + ARRIVAL_SECONDS_MAX * 1000
  for (;;) {
    const answer = await ask()
    if (answer) return answer
    assert.ok(Date.now() < deadline, `${what}: not within ${ARRIVAL_SECONDS_MAX} s`)
    await pause(POLL_MS)
  }
}

// Waits until somebody has as many events as were sent. Whether there are more is seen after the page has gone.
export const arrived = (type, value, count) =>
  eventually(`${count} events of ${type} ${value}`, async () => (await events(type, value)).length >= count)
