// What the published Node clients send arrives, once, at the person it is about.
// Started through tests/harness/concierge_server.py, which says where the server is.

import assert from 'node:assert/strict'
import { test } from 'node:test'

import RudderStack from '@rudderstack/rudder-sdk-node'
import { Analytics as Segment } from '@segment/analytics-node'

import { SERVER, WRITE_KEY, get, person } from './support/concierge.js'

const LARGE_BATCH_EVENTS = 250

// A client whose `send` notes every call, and whose `deliver` ends when each call was answered.
function noting(client, flush) {
  const answers = []
  const send = (kind, message) =>
    answers.push(
      new Promise((resolve, reject) => {
        client[kind](message, (error) => (error ? reject(error) : resolve()))
      }),
    )
  const deliver = async () => {
    await flush()
    await Promise.all(answers)
  }
  return { send, deliver }
}

function segment() {
  const client = new Segment({ writeKey: WRITE_KEY, host: SERVER })
  return noting(client, () => client.closeAndFlush())
}

function rudderstack(gzip) {
  const client = new RudderStack(WRITE_KEY, { dataPlaneUrl: SERVER, gzip })
  return noting(client, async () => {
    // One flush sends one batch.
    do await client.flush()
    while (client.queue.length > 0)
  })
}

// How often each event name is on the person's timeline.
async function eventNames(profile) {
  const counts = {}
  let cursor
  do {
    const page = await get(`/api/v1/profiles/${profile.id}/timeline`, cursor ? { cursor } : {})
    for (const { name } of page.items) counts[name] = (counts[name] ?? 0) + 1
    cursor = page.next_cursor
  } while (cursor)
  return counts
}

const VENDORS = {
  segment,
  rudderstack: () => rudderstack(true),
  'rudderstack-plain': () => rudderstack(false),
}

for (const [vendor, make] of Object.entries(VENDORS)) {
  const user = (name) => ({ userId: `${vendor}-node-${name}` })

  test(`${vendor}: every call arrives once`, async () => {
    const { send, deliver } = make()
    const who = user('caller')
    const device = { anonymousId: `${vendor}-node-device` }
    send('track', { ...device, event: 'Product Viewed', properties: { sku: 'a1' } })
    send('identify', { ...who, ...device, traits: { plan: 'pro', seats: 3 } })
    send('track', { ...who, event: 'Order Completed', properties: { revenue: 19.5, currency: 'SEK' } })
    send('page', { ...who, name: 'Start', properties: { path: '/start' } })
    send('screen', { ...who, name: 'Home' })
    send('group', { ...who, groupId: 'acme', traits: { industry: 'toys' } })
    send('alias', { ...who, previousId: `${vendor}-node-earlier` })
    await deliver()

    const profile = await person('user_id', who.userId)
    assert.equal(profile.traits.plan.value, 'pro')
    assert.equal(profile.traits.seats.value, 3)
    assert.deepEqual(await eventNames(profile), {
      'Product Viewed': 1,
      Identify: 1,
      'Order Completed': 1,
      'Page Viewed': 1,
      'Screen Viewed': 1,
      Group: 1,
      Alias: 1,
    })
    assert.equal((await person('anonymous_id', device.anonymousId)).id, profile.id)
  })

  test(`${vendor}: a message sent twice arrives once`, async () => {
    const who = user('twice')
    for (let time = 0; time < 2; time += 1) {
      const { send, deliver } = make()
      send('track', { ...who, event: 'Order Completed', messageId: `${vendor}-node-message` })
      await deliver()
    }
    assert.deepEqual(await eventNames(await person('user_id', who.userId)), { 'Order Completed': 1 })
  })

  test(`${vendor}: a large batch arrives whole`, async () => {
    const { send, deliver } = make()
    const who = user('busy')
    for (let number = 0; number < LARGE_BATCH_EVENTS; number += 1) {
      send('track', { ...who, event: 'Step', properties: { number } })
    }
    await deliver()
    assert.deepEqual(await eventNames(await person('user_id', who.userId)), { Step: LARGE_BATCH_EVENTS })
  })
}
