// Vue: what is decided for a placement, as a composable and as a component.
//
//   createApp(App).use(concierge, { concierge: start({ server, writeKey }) })
//   <Placement name="home_hero" v-slot="{ content }"><Hero v-bind="content" /></Placement>

import { defineComponent, getCurrentScope, h, inject, onScopeDispose, shallowRef, type Plugin, type Ref } from 'vue'

import { decisionStore, type DecisionStore } from './store.ts'
import type { Concierge } from './start.ts'
import type { Decision } from './decisions.ts'
import type { Content } from './slots.ts'

const STORE = 'concierge'

export interface PluginOptions {
  /** What `start` answers with; none where a server renders. */
  concierge?: Concierge
  /** What the server has decided before it rendered, so that nothing changes when the browser takes over. */
  decisions?: Decision[]
}

/** Gives an application the decisions of the page. */
export const concierge: Plugin<[PluginOptions]> = {
  install: (app, { concierge, decisions }) => void app.provide(STORE, decisionStore(concierge, decisions)),
}

/** The content for a placement; `undefined` until it is decided, `null` where nothing is shown. */
export function usePlacement<C extends Content = Content>(placement: string): Ref<C | null | undefined> {
  const store = inject<DecisionStore>(STORE)
  if (!store) throw new Error('usePlacement and Placement belong into an application that uses the plugin')
  const read = (): C | null | undefined => store.decision(placement)?.content as C | null | undefined
  const content: Ref<C | null | undefined> = shallowRef()
  content.value = read()
  const end = store.subscribe(() => (content.value = read()))
  if (getCurrentScope()) onScopeDispose(end)
  return content
}

/** A placement: hidden in its box until it is decided, and found out about like any other. */
export const Placement = defineComponent({
  props: { name: { type: String, required: true }, as: { type: String, default: 'div' } },
  setup(props, { slots }) {
    const content = usePlacement(props.name)
    return () => h(props.as, { 'data-concierge': props.name }, slots.default?.({ content: content.value ?? null }))
  },
})
