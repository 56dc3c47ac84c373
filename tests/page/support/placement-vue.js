// The same shop with Vue.

import { createApp, h, ref } from 'vue'

import { start } from '@concierge/browser'
import { Placement, concierge, usePlacement } from '@concierge/browser/vue'

const path = ref(location.pathname)
const go = (to) => {
  history.pushState({}, '', to)
  path.value = to
}
const Shop = {
  setup() {
    const row = usePlacement('wrapped_row')
    const hero = { default: ({ content }) => h('h1', content ? content.title : 'Default') }
    return () =>
      h('main', [
        h(Placement, { name: 'wrapped_hero', as: 'section' }, hero),
        h('p', { id: 'row' }, row.value ? row.value.title : 'No row'),
        h('p', { id: 'path' }, path.value),
        h('button', { id: 'away', onClick: () => go('/elsewhere') }, 'Away'),
        h('button', { id: 'back', onClick: () => go('/wrapped/vue') }, 'Back'),
      ])
  },
}

createApp(Shop).use(concierge, { concierge: start(window.options) }).mount('#root')
