// How a page sets up OpenFeature's browser client. `flags` is then the client's own object.

import { WRITE_KEY } from './concierge.js'

// Where the shop has the modules that the vendors' own import, by the names they import them with.
export const MODULES = {
  '@openfeature/core': '/modules/core.js',
  '@openfeature/web-sdk': '/modules/web-sdk.js',
  '@openfeature/ofrep-core': '/modules/ofrep-core.js',
  '@openfeature/ofrep-web-provider': '/modules/ofrep-web-provider.js',
}

const json = (value) => JSON.stringify(value).replaceAll('<', '\\u003c')

export const flagsPage = (server, who) => `<!doctype html>
<html lang="sv">
<title>The shop</title>
<script type="importmap">${json({ imports: MODULES })}</script>
<script>
  let started
  const ready = new Promise((done) => (started = done))
  const changes = []
  let flags
  // Ends when the first use was taken.
  let tell
  const used = new Promise((done) => (tell = done))
</script>
<script type="module">
  import { OpenFeature, ProviderEvents } from '@openfeature/web-sdk'
  import { OFREPWebProvider } from '@openfeature/ofrep-web-provider'
  const provider = new OFREPWebProvider({
    baseUrl: ${json(server)},
    headers: [['Authorization', ${json(`Bearer ${WRITE_KEY}`)}]],
  })
  await OpenFeature.setContext({ targetingKey: ${json(who)}, targetingKeyType: 'anonymous_id' })
  await OpenFeature.setProviderAndWait(provider)
  flags = OpenFeature.getClient()
  flags.addHooks({
    after: async (_, { flagKey, variant, flagMetadata: { experience, token } }) => {
      if (!experience) return
      const event = {
        writeKey: ${json(WRITE_KEY)},
        anonymousId: ${json(who)},
        event: 'Flag Used',
        properties: { flag: flagKey, variant, token },
      }
      await fetch(${json(`${server}/v1/t`)}, { method: 'POST', body: JSON.stringify(event) })
      tell()
    },
  })
  flags.addHandler(ProviderEvents.ConfigurationChanged, ({ flagsChanged }) => changes.push(flagsChanged ?? []))
  started()
</script>
</html>`
