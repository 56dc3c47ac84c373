// The demo shop, built and served as `concierge demo --shop` does, for the server under test.

import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { readFile, stat } from 'node:fs/promises'
import { createServer } from 'node:http'
import { extname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const FOLDER = fileURLToPath(new URL('../../../examples/shop/', import.meta.url))
const TYPES = { '.html': 'text/html', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml' }

/** Builds the shop; its packages are installed where they are not yet. */
export function buildShop() {
  const run = (...command) => execFileSync('npm', ['--prefix', FOLDER, ...command], { stdio: 'inherit' })
  if (!existsSync(join(FOLDER, 'node_modules'))) run('ci', '--ignore-scripts', '--no-audit', '--no-fund')
  run('run', '--silent', 'build')
}

/** The file for a path: itself, the page of that name, or the page of that folder. */
async function fileFor(path) {
  const plain = join(FOLDER, 'dist', path)
  for (const file of [plain, `${plain.replace(/\/$/, '')}.html`, join(plain, 'index.html')]) {
    if (await stat(file).then((found) => found.isFile(), () => false)) return file
  }
  return join(FOLDER, 'dist', path.startsWith('/react/') ? 'react/index.html' : '404.html')
}

export async function openShop(server, writeKey) {
  const shop = createServer(async (request, response) => {
    const { pathname } = new URL(request.url, 'http://shop')
    const file = await fileFor(pathname)
    const status = file.endsWith('404.html') ? 404 : 200
    response.writeHead(status, { 'content-type': `${TYPES[extname(file)]}; charset=utf-8` })
    const body = await readFile(file)
    if (extname(file) !== '.html') return response.end(body)
    response.end(String(body).replaceAll('http://127.0.0.1:8080', server).replaceAll('WRITE_KEY', writeKey))
  })
  await new Promise((listening) => shop.listen(0, '127.0.0.1', listening))
  return {
    url: `http://127.0.0.1:${shop.address().port}`,
    close() {
      shop.closeAllConnections()
      return new Promise((closed) => shop.close(closed))
    },
  }
}
