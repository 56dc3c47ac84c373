// How a shop puts each vendor's client on its pages. `tracker` is then the vendor's own object.

import { WRITE_KEY } from './concierge.js'

const page = (script, start) => `<!doctype html>
<html lang="sv">
<title>The shop</title>
<script src="${script}"></script>
<script>${start}</script>
</html>`

const json = (value) => JSON.stringify(value).replaceAll('<', '\\u003c')

const segment = {
  // Where the client sends: both are told by the settings that it fetches from `server`.
  paths: { settings: `/v1/projects/${WRITE_KEY}/settings`, track: '/v1/t', batch: '/v1/b', unload: '/v1/b' },
  html: (server, delivery) =>
    page(
      '/segment.js',
      `const tracker = AnalyticsNext.AnalyticsBrowser.load(
        ${json({ writeKey: WRITE_KEY, cdnURL: server })},
        ${json({ integrations: { 'Segment.io': delivery } })},
      )`,
    ),
  single: {},
  batching: { deliveryStrategy: { strategy: 'batching', config: { size: 3, timeout: 500 } } },
  atUnload: { deliveryStrategy: { strategy: 'batching', config: { size: 100, timeout: 600_000 } } },
  // Runs in the page.
  anonymousId: async () => (await tracker)[0].user().anonymousId(),
  reset: () => tracker.reset(),
}

const rudderstack = {
  paths: { settings: '/sourceConfig/', track: '/v1/track', batch: '/v1/batch', unload: '/beacon/v1/batch' },
  html: (server, delivery) =>
    page(
      '/rudderstack.js',
      `const tracker = new rudderanalytics.RudderAnalytics()
      tracker.load(${json(WRITE_KEY)}, ${json(server)}, ${json({
        configUrl: server,
        // Both would be the vendor's; this build carries its plugins, and no destination is loaded.
        pluginsSDKBaseURL: server,
        destSDKBaseURL: server,
        sendAdblockPage: false,
        ...delivery,
      })})`,
    ),
  single: {},
  batching: { queueOptions: { batch: { enabled: true, maxItems: 3, flushInterval: 500 } } },
  atUnload: { useBeacon: true, beaconQueueOptions: { maxItems: 100, flushQueueInterval: 600_000 } },
  anonymousId: () => new Promise((told) => tracker.ready(() => told(tracker.getAnonymousId()))),
  // Without `true` it forgets the user and keeps the device.
  reset: () => tracker.reset(true),
}

export const VENDORS = { segment, rudderstack }
