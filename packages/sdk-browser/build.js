// Builds what is published: a module for bundlers, and the script that the server hands to pages. The script is kept in
// the repository, so that building the server needs no Node; `--check` fails where it is not what the sources say, or
// where what a visitor loads has outgrown its budget.

import { readFile, writeFile } from 'node:fs/promises'
import { gzipSync } from 'node:zlib'

import { build } from 'esbuild'

/** Members that only our own objects have, so that the script can call them by a letter. */
const OWN_MEMBERS = /^(again|allow|change|edits|fates|forget|holds|hold|keep|look|make|overwritten|revert|since|state|take|undo|watch)$/

/** Largest script that a visitor loads, in bytes, gzipped. */
const BYTES_MAX = 8_000
const SCRIPT = 'dist/concierge.js'
/** What those load who look at a page by a preview's link. */
const STAFF = 'dist/staff.js'

const isCheck = process.argv.includes('--check')
const options = { bundle: true, minify: true, target: 'es2021', legalComments: 'none', write: !isCheck }

await build({
  ...options, entryPoints: ['src/index.ts', 'src/react.ts', 'src/vue.ts'], format: 'esm', outdir: 'dist',
  external: ['react', 'vue'],
})
const { outputFiles } = await build({
  ...options, entryPoints: ['src/script.ts'], format: 'iife', outfile: SCRIPT, write: false, mangleProps: OWN_MEMBERS,
})
const script = outputFiles[0].contents
await keep(SCRIPT, script)
// What few load has no budget, and is kept as well.
const { outputFiles: [staff] } = await build({
  ...options, entryPoints: ['src/staff/staff.ts'], format: 'esm', outfile: STAFF, write: false,
})
await keep(STAFF, staff.contents)
console.log(`${STAFF}: ${staff.contents.length} bytes, ${gzipSync(staff.contents, { level: 9 }).length} gzipped`)
const bytes = gzipSync(script, { level: 9 }).length
console.log(`${SCRIPT}: ${script.length} bytes, ${bytes} gzipped of at most ${BYTES_MAX}`)
if (BYTES_MAX < bytes) fail('the script has outgrown its budget')

/** Writes what is kept in the repository, or fails where something else is there. */
async function keep(path, contents) {
  if (!isCheck) return writeFile(path, contents)
  const kept = await readFile(path).catch(() => Buffer.alloc(0))
  if (!kept.equals(contents)) fail(`${path} is not what the sources say: run \`npm run build\` and commit it`)
}

function fail(message) {
  console.error(`error: ${message}`)
  process.exit(1)
}
