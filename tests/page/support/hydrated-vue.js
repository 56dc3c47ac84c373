// A page that Vue renders on the server and takes over in the browser when it is told to.

import { createSSRApp, h, ref } from 'vue'

export const Shop = {
  setup() {
    const count = ref(0)
    return () => h('main', [
      h('h1', { id: 'title' }, 'Things that last'),
      h('p', { id: 'count' }, `Looked at ${count.value}`),
      h('button', { id: 'more', onClick: () => (count.value += 1) }, 'More'),
    ])
  },
}

if (typeof window !== 'undefined') {
  window.faults = []
  window.hydrate = () => createSSRApp(Shop).mount('#root')
}
