// The guide that users follow, followed.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'

import { SERVER, WRITE_KEY } from '../../clients/browser/support/concierge.js'

const GUIDE = 'personalise-your-site'

// The code of a step of a guide, by the language of its fence.
export function code(heading, language, guide = GUIDE) {
  const text = readFileSync(new URL(`../../../docs/guide/${guide}.md`, import.meta.url), 'utf8')
  const [, step] = text.split(`## ${heading}\n`)
  assert.ok(step, `the guide has no step "${heading}"`)
  const blocks = step.split('\n## ')[0].matchAll(new RegExp(`\`\`\`${language}\n([^]*?)\`\`\``, 'g'))
  return [...blocks].map(([, block]) => block)
}

// The tag, for the server under test or another that stands before it.
export const tag = (server = SERVER) =>
  code('1. Put the tag on your pages', 'html')[0]
    .replaceAll('http://127.0.0.1:8080', server)
    .replaceAll('WRITE_KEY', WRITE_KEY)
