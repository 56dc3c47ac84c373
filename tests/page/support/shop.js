// The demonstration, as `make demo` starts it: a server with simulated shoppers, and the shop on an origin of its own.
// It has a server to itself, since its definitions are about every page there is.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const SHOP = fileURLToPath(new URL('../../../examples/shop/dist', import.meta.url))
const SHOPPERS = ['--shoppers', '40', '--days', '20']
const OPEN = ['--shop', SHOP, '--listen', '127.0.0.1:0', '--shop-listen', '127.0.0.1:0']

/** Starts it, and answers with where the server and the shop are, a shopper, and what ends it. */
export async function openDemo() {
  const data = await mkdtemp(join(tmpdir(), 'concierge-shop-'))
  const program = spawn(process.env.CONCIERGE_BINARY, ['demo', '--data', join(data, 'demo'), ...SHOPPERS, ...OPEN])
  const said = []
  program.stderr.on('data', (text) => said.push(String(text)))
  const ended = new Promise((done) => program.on('exit', done))
  const told = {}
  for await (const line of createInterface(program.stdout)) {
    told.server ??= /^The demo serves at (\S+)/.exec(line)?.[1]
    told.shopper ??= /"userId":"([^"]+)"/.exec(line)?.[1]
    told.shop ??= /^The shop is open at (\S+)\//.exec(line)?.[1]
    if (told.shop) break
  }
  assert.ok(told.shop, `the demo did not open its shop:\n${said.join('')}`)
  program.stdout.resume()
  return {
    ...told,
    async close() {
      program.kill('SIGTERM')
      assert.equal(await ended, 0, said.join(''))
      assert.doesNotMatch(said.join(''), / WARN | ERROR /)
      await rm(data, { recursive: true })
    },
  }
}
