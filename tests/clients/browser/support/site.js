// The shop whose pages the clients run in, served from an origin of its own.

import { createReadStream } from 'node:fs'
import { createServer } from 'node:http'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { MODULES } from './flags.js'

const { resolve } = createRequire(import.meta.url)

// The builds that the vendors publish for script tags. Neither package names these files among its exports.
const SCRIPTS = {
  '/segment.js': join(dirname(resolve('@segment/analytics-next/package.json')), 'dist/umd/index.js'),
  '/rudderstack.js': join(dirname(resolve('@rudderstack/analytics-js/bundled')), '../umd/index.js'),
}

// The modules that OpenFeature's packages are made of, as browsers load them.
const module = (name, file) => join(dirname(fileURLToPath(import.meta.resolve(name))), file)
const FILES = {
  '@openfeature/core': module('@openfeature/core', 'index.js'),
  '@openfeature/web-sdk': module('@openfeature/web-sdk', 'index.js'),
  '@openfeature/ofrep-core': module('@openfeature/ofrep-core', 'index.esm.js'),
  '@openfeature/ofrep-web-provider': module('@openfeature/ofrep-web-provider', 'index.esm.js'),
}
for (const [name, path] of Object.entries(MODULES)) SCRIPTS[path] = FILES[name]

const EMPTY_PAGE = { text: '<!doctype html><title>Elsewhere</title>', type: 'text/html' }

// Starts the shop. `show` puts a page, or something else, under a path and answers with its address.
export async function openSite() {
  const pages = new Map()
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url, 'http://site')
    if (pathname in SCRIPTS) {
      response.setHeader('content-type', 'text/javascript; charset=utf-8')
      createReadStream(SCRIPTS[pathname]).pipe(response)
    } else if (pathname === '/favicon.ico') {
      response.writeHead(204).end()
    } else {
      const { text, type } = pages.get(pathname) ?? EMPTY_PAGE
      response.setHeader('content-type', `${type}; charset=utf-8`)
      response.end(text)
    }
  })
  await new Promise((listening) => server.listen(0, '127.0.0.1', listening))
  const url = `http://127.0.0.1:${server.address().port}`
  return {
    url,
    show(path, text, type = 'text/html') {
      pages.set(path, { text, type })
      return url + path
    },
    close() {
      server.closeAllConnections()
      return new Promise((closed) => server.close(closed))
    },
  }
}
