import { clientOfPage } from '../consent-client.ts'
import { attempt } from '../guard.ts'
import { followTcf, type TcfOptions } from '../tcf.ts'

attempt(() => followTcf(clientOfPage(), (window as { conciergeTcf?: TcfOptions }).conciergeTcf))
