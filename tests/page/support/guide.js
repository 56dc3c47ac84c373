// The guide that users follow, followed.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'

import { SERVER, WRITE_KEY } from '../../clients/browser/support/concierge.js'

const GUIDE = readFileSync(new URL('../../../docs/guide/personalise-your-site.md', import.meta.url), 'utf8')

// The code of a step, by the language of its fence.
export function code(heading, language) {
  const [, step] = GUIDE.split(`## ${heading}\n`)
  assert.ok(step, `the guide has no step "${heading}"`)
  const blocks = step.split('\n## ')[0].matchAll(new RegExp(`\`\`\`${language}\n([^]*?)\`\`\``, 'g'))
  return [...blocks].map(([, block]) => block)
}

// The tag, for the server under test or another that stands before it.
export const tag = (server = SERVER) =>
  code('1. Put the tag on your pages', 'html')[0]
    .replaceAll('http://127.0.0.1:8080', server)
    .replaceAll('WRITE_KEY', WRITE_KEY)
