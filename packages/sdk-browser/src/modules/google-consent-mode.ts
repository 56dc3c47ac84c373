import { clientOfPage } from '../consent-client.ts'
import { attempt } from '../guard.ts'
import { followGoogle, type GoogleOptions } from '../google-consent-mode.ts'

attempt(() => followGoogle(clientOfPage(), (window as { conciergeGoogle?: GoogleOptions }).conciergeGoogle))
