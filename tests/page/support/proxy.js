// `concierge proxy` in front of the site of the tests.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'

import { WRITE_KEY, environment } from '../../clients/browser/support/concierge.js'

const started = []

// Starts one before a site, and answers with its address.
export async function startProxy(site, ...options) {
  const address = ['--upstream', site.url, '--write-key', WRITE_KEY, '--listen', '127.0.0.1:0']
  const child = spawn(environment('CONCIERGE_BINARY'), ['proxy', ...address, ...options], { stdio: ['ignore', 'pipe', 'inherit'] })
  started.push(child)
  for await (const text of child.stdout) {
    const [, url] = /listening on (\S+)/.exec(text) ?? []
    if (url) return url
  }
  assert.fail('the proxy ended before it listened')
}

export async function stopProxies() {
  for (const child of started) {
    const ended = new Promise((resolve) => child.once('exit', resolve))
    child.kill('SIGTERM')
    assert.equal(await ended, 0)
  }
}
