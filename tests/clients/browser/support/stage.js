// What every test of a file plays on: a browser, and a site on another origin than the server's. Importing this opens
// both before the file's first test and closes them after its last.

import { after, before } from 'node:test'

import { launch } from './browser.js'
import { countPrograms } from './concierge.js'
import { openSite } from './site.js'

export let browser
export let site

before(async () => {
  await countPrograms()
  site = await openSite()
  browser = await launch()
})

after(async () => {
  await browser?.close()
  await site?.close()
})
