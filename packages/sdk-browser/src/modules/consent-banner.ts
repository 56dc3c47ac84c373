// The banner of a tag. What a page says of it before it has loaded is in `conciergeBanner`; after that it is the banner.

import { clientOfPage } from '../consent-client.ts'
import { openConsentBanner, type BannerOptions, type ConsentBanner } from '../consent-banner.ts'
import { attempt } from '../guard.ts'

const page = window as { conciergeBanner?: BannerOptions | ConsentBanner }

attempt(() => {
  const options = page.conciergeBanner ?? {}
  // A page that has the tag twice has one banner.
  if (!('ask' in options)) page.conciergeBanner = openConsentBanner(clientOfPage(), options)
})
