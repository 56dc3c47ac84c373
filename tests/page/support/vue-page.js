/* global Vue */
const EVERY_MS = 50

Vue.createApp({
  setup() {
    const round = Vue.ref(0)
    setInterval(() => (round.value += 1), EVERY_MS)
    return { round, away: () => history.pushState({}, '', '/elsewhere') }
  },
  template: `<main id="app">
    <h1 id="title">Round {{ round }}</h1>
    <div id="content"><i v-if="round % 2">odd</i><b v-else>even</b><span v-if="round % 3">some</span></div>
    <a id="link" :href="'/round/' + round">Link</a>
    <div id="box" :class="['box', 'cold', 'round-' + (round % 2)]">Box</div>
    <img id="picture" src="/a.png" alt="A">
    <ul id="list"><li id="first">First</li><li id="second">Second {{ round }}</li></ul>
    <p id="tail" :key="round">Tail</p>
    <p id="gone" :style="{ display: round % 2 ? 'block' : 'flex' }">Gone</p>
    <button id="away" @click="away">Away</button>
  </main>`,
}).mount('#root')
