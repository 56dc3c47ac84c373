// Builds what is published: a module for bundlers, and the script that the server hands to pages. The script is kept in
// the repository, so that building the server needs no Node; `--check` fails where it is not what the sources say, or
// where what a visitor loads has outgrown its budget.

import { readFile } from 'node:fs/promises'
import { gzipSync } from 'node:zlib'

import { build } from 'esbuild'
import { minify } from 'terser'

/** Members that only our own objects have, so that the script can call them by a letter. */
const OWN_MEMBERS = /^(again|allow|answer|change|edits|fates|forget|holds|hold|keep|learn|look|made|make|overwritten|refuse|revert|since|state|take|undo|watch)$/

/** Largest script that a visitor loads, in bytes, gzipped. */
const BYTES_MAX = 8_192
const SCRIPT = 'dist/concierge.js'

const isCheck = process.argv.includes('--check')
const options = { bundle: true, minify: true, target: 'es2021', legalComments: 'none', write: !isCheck }

await build({
  ...options, entryPoints: ['src/index.ts', 'src/react.ts', 'src/vue.ts'], format: 'esm', outdir: 'dist',
  external: ['react', 'vue'],
})
const { outputFiles } = await build({
  ...options, entryPoints: ['src/script.ts'], format: 'iife', outfile: SCRIPT, write: false, mangleProps: OWN_MEMBERS,
})
// Where size is counted, a second tool is worth its while: it makes a sixteenth less of it.
const { code } = await minify(outputFiles[0].text, { ecma: 2020, toplevel: true, compress: { passes: 3 } })
const script = Buffer.from(`${code}\n`)
if (isCheck) {
  const kept = await readFile(SCRIPT).catch(() => Buffer.alloc(0))
  if (!kept.equals(script)) fail(`${SCRIPT} is not what the sources say: run \`npm run build\` and commit it`)
} else {
  await import('node:fs/promises').then(({ writeFile }) => writeFile(SCRIPT, script))
}
const bytes = gzipSync(script, { level: 9 }).length
console.log(`${SCRIPT}: ${script.length} bytes, ${bytes} gzipped of at most ${BYTES_MAX}`)
if (BYTES_MAX < bytes) fail('the script has outgrown its budget')

function fail(message) {
  console.error(`error: ${message}`)
  process.exit(1)
}
