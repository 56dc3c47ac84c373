// Builds what is published: modules for bundlers, and the scripts that the server hands to pages. Scripts are kept in
// the repository, so that building the server needs no Node; `--check` fails where one is not what the sources say, or
// has outgrown its budget.

import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { gzipSync } from 'node:zlib'

import { build } from 'esbuild'
import { minify } from 'terser'

/** Members that only our own objects have, so that the client can call them by a letter. */
const OWN_MEMBERS = /^(again|allow|answer|change|edits|fates|forget|holds|hold|keep|learn|look|made|make|overwritten|refuse|revert|since|state|take|undo|watch)$/

/** The server puts a line of options before the client, after which `"use strict"` would say nothing. */
const NO_DIRECTIVE = { compilerOptions: { alwaysStrict: false } }

/** Modules for bundlers. */
const MODULES = ['index', 'react', 'vue', 'consent-banner', 'google-consent-mode', 'tcf']

/** What pages load: the client, which all visitors do, and modules that a page asks for; with most bytes, gzipped. */
const SCRIPTS = [
  { source: 'script', file: 'concierge', bytesMax: 8_192, mangleProps: OWN_MEMBERS, tsconfigRaw: NO_DIRECTIVE },
  { source: 'modules/consent-banner', bytesMax: 5_200 },
  { source: 'modules/google-consent-mode', bytesMax: 1_000 },
  { source: 'modules/tcf', bytesMax: 1_000 },
  { source: 'attention', file: 'modules/attention', format: 'esm', bytesMax: 1_000 },
  // What staff load, who look at a page by a preview's link, is none of a visitor's budget.
  { source: 'staff/staff', file: 'modules/staff', format: 'esm', bytesMax: 20_000 },
]

const isCheck = process.argv.includes('--check')
const options = {
  bundle: true, minify: true, target: 'es2021', legalComments: 'none', charset: 'utf8', write: !isCheck,
}

await build({
  ...options, entryPoints: MODULES.map((name) => `src/${name}.ts`), format: 'esm', outdir: 'dist',
  external: ['react', 'vue'],
})
for (const script of SCRIPTS) await buildScript(script)

async function buildScript({ source, file = source, bytesMax, ...others }) {
  const outfile = `dist/${file}.js`
  const entry = { format: 'iife', entryPoints: [`src/${source}.ts`], outfile, write: false }
  const { outputFiles } = await build({ ...options, ...entry, ...others })
  // Where size is counted, a second tool is worth its while: it makes a sixteenth less of it.
  const { code } = await minify(outputFiles[0].text, { ecma: 2020, toplevel: true, compress: { passes: 6, hoist_funs: true } })
  const script = Buffer.from(`${code}\n`)
  if (isCheck) {
    const kept = await readFile(outfile).catch(() => Buffer.alloc(0))
    if (!kept.equals(script)) fail(`${outfile} is not what the sources say: run \`npm run build\` and commit it`)
  } else {
    await mkdir(dirname(outfile), { recursive: true })
    await writeFile(outfile, script)
  }
  const bytes = gzipSync(script, { level: 9 }).length
  console.log(`${outfile}: ${script.length} bytes, ${bytes} gzipped of at most ${bytesMax}`)
  if (bytesMax < bytes) fail(`${outfile} has outgrown its budget`)
}

function fail(message) {
  console.error(`error: ${message}`)
  process.exit(1)
}
