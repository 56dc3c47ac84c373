// Feature flags through OpenFeature's server client and its provider of the remote evaluation protocol.
// Started through tests/harness/concierge_server.py, which says where the server is.

import assert from 'node:assert/strict'
import { before, test } from 'node:test'

import { OFREPProvider } from '@openfeature/ofrep-provider'
import { ErrorCode, OpenFeature } from '@openfeature/server-sdk'

import { SERVER, WRITE_KEY, decisions, define, track } from './support/concierge.js'

const HERO = { title: 'Hi', level: 2 }

const someone = (targetingKey, more = {}) => ({ targetingKey, ...more })

// A client of a domain of its own, whose provider sends these headers.
async function client(domain, headers) {
  await OpenFeature.setProviderAndWait(domain, new OFREPProvider({ baseUrl: SERVER, headers }))
  return OpenFeature.getClient(domain)
}

const trusted = () => client('trusted', [['Authorization', `Bearer ${WRITE_KEY}`]])

before(async () => {
  const variants = (content) => ['a', 'b'].map((key) => ({ key, content }))
  await define('placements', 'node_checkout', { state: 'live', default: { value: false } })
  await define('experiences', 'node_checkout_pro', {
    state: 'live',
    placement: 'node_checkout',
    eligibility: { trait: 'plan', op: 'eq', value: 'pro' },
    variants: [{ key: 'on', content: { value: true } }],
  })
  for (const [key, content] of Object.entries({ colour: { value: 'blue' }, factor: { value: 1.5 }, hero: HERO })) {
    await define('placements', `node_${key}`, { state: 'live' })
    const placement = `node_${key}`
    await define('experiences', `${placement}_test`, { state: 'live', placement, variants: variants(content) })
  }
})

test('values of each type', async () => {
  const flags = await trusted()
  const who = someone('node-typed')
  assert.equal(await flags.getStringValue('node_colour', 'none', who), 'blue')
  assert.equal(await flags.getNumberValue('node_factor', 0, who), 1.5)
  assert.deepEqual(await flags.getObjectValue('node_hero', {}, who), HERO)
  assert.equal(await flags.getBooleanValue('node_checkout', true, who), false)
})

test('details tell what was decided and why, and the decision is recorded', async () => {
  const flags = await trusted()
  const who = someone('node-split')
  const details = await flags.getObjectDetails('node_hero', {}, who)
  assert.equal(details.reason, 'SPLIT')
  assert.ok(['a', 'b'].includes(details.variant))
  assert.equal(details.flagMetadata.experience, 'node_hero_test')
  assert.equal(details.flagMetadata.propensity, 0.5)
  assert.equal((await flags.getObjectDetails('node_hero', {}, who)).variant, details.variant)
  await track({ type: 'track', event: 'After', userId: 'node-split' })
  const ids = (await decisions('user_id', 'node-split')).map(({ id }) => id)
  assert.ok(ids.includes(details.flagMetadata.decision_id))
})

test('an event changes the next evaluation', async () => {
  const flags = await trusted()
  const who = someone('node-buyer')
  assert.equal((await flags.getBooleanDetails('node_checkout', true, who)).reason, 'STATIC')
  await track({ type: 'identify', userId: 'node-buyer', anonymousId: 'node-phone', traits: { plan: 'pro' } })
  const details = await flags.getBooleanDetails('node_checkout', false, who)
  assert.deepEqual([details.value, details.reason, details.variant], [true, 'TARGETING_MATCH', 'on'])
  const device = someone('node-phone', { targetingKeyType: 'anonymous_id' })
  assert.equal(await flags.getBooleanValue('node_checkout', false, device), true)
})

test('errors come as the client knows them', async () => {
  const flags = await trusted()
  const told = async (asked, key, who) => {
    const { value, errorCode } = await asked.getBooleanDetails(key, true, who)
    assert.equal(value, true, 'the default of the code')
    return errorCode
  }
  assert.equal(await told(flags, 'nothing', someone('a')), ErrorCode.FLAG_NOT_FOUND)
  assert.equal(await told(flags, 'node_checkout', {}), ErrorCode.TARGETING_KEY_MISSING)
  assert.equal(await told(flags, 'node_checkout', someone('a', { userId: 'b' })), ErrorCode.INVALID_CONTEXT)
  assert.equal(await told(flags, 'node_colour', someone('a')), ErrorCode.TYPE_MISMATCH)
  const stranger = await client('stranger', [['X-API-Key', "nobody's"]])
  assert.equal(await told(stranger, 'node_checkout', someone('a')), ErrorCode.GENERAL)
})
