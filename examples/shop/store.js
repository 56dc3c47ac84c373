// What a visitor has here: a cart, who they said they are, where things go, and what they ordered. Kept in the browser,
// and told to whoever measures by the names of the e-commerce tracking specification.

import { CURRENCY, FREE_SHIPPING, SHIPPING, productOf, propertiesOf } from './catalogue.js'

const KEY = 'tallby'
const NOTHING = { lines: [], user: null, place: '', orders: [] }
const QUANTITY_MAX = 20
/** An event is with the server after so long, in milliseconds, since the client gathers them for a second. */
const SENT_MS = 1_500

/** Opens the store; `concierge` has `track`, `identify`, `reset` and `decide`. */
export function openStore(concierge) {
  let state = read()
  const heard = new Set()

  function change(values) {
    state = { ...state, ...values }
    try {
      localStorage.setItem(KEY, JSON.stringify(state))
    } catch {
      // A browser that keeps nothing still has a shop.
    }
    heard.forEach((hear) => hear())
  }
  function setQuantity(id, quantity) {
    const others = state.lines.filter((line) => line.id !== id)
    const isKnown = others.length < state.lines.length
    const line = { id, quantity: Math.min(quantity, QUANTITY_MAX) }
    if (quantity < 1) change({ lines: others })
    else if (isKnown) change({ lines: state.lines.map((one) => (one.id === id ? line : one)) })
    else change({ lines: [...state.lines, line] })
  }
  const told = (id, quantity) => ({ ...propertiesOf(productOf(id)), quantity })
  const quantityOf = (id) => state.lines.find((line) => line.id === id)?.quantity ?? 0

  const store = {
    get: () => state,
    subscribe(hear) {
      heard.add(hear)
      return () => heard.delete(hear)
    },
    add(id) {
      setQuantity(id, quantityOf(id) + 1)
      concierge.track('Product Added', told(id, 1))
    },
    /** Makes it so many of a product; none removes it. */
    set(id, quantity) {
      const before = quantityOf(id)
      setQuantity(id, quantity)
      const more = quantityOf(id) - before
      if (more) concierge.track(0 < more ? 'Product Added' : 'Product Removed', told(id, Math.abs(more)))
    },
    viewCart: () => concierge.track('Cart Viewed', { ...sum(), products: products() }),
    startCheckout: () => concierge.track('Checkout Started', { ...sum(), products: products() }),
    /** Places the order, and answers with its number. */
    order() {
      const order_id = crypto.randomUUID().slice(0, 8).toUpperCase()
      const { shipping, total } = totals(state.lines)
      concierge.track('Order Completed', {
        order_id, ...sum(), shipping: shipping / 100, total: total / 100, products: products(),
      })
      change({ lines: [], orders: [{ order_id, total, at: new Date().toISOString() }, ...state.orders] })
      return order_id
    },
    async login(name, email) {
      const id = await userId(email)
      change({ user: { id, name } })
      concierge.identify(id, { first_name: name.split(' ')[0] })
      concierge.decide()
    },
    logout() {
      change({ user: null, orders: [] })
      concierge.reset()
    },
    /** Where things are to be sent, which says something about who looks at them. */
    deliverTo(place) {
      change({ place: place?.city ?? '' })
      if (place) concierge.track('Delivery Place Chosen', { city: place.city, country: place.country })
      setTimeout(concierge.decide, SENT_MS)
    },
  }
  const products = () => state.lines.map(({ id, quantity }) => told(id, quantity))
  const sum = () => ({ revenue: totals(state.lines).subtotal / 100, currency: CURRENCY })
  return store
}

/** What a cart comes to, in cents. */
export function totals(lines) {
  const subtotal = lines.reduce((sum, { id, quantity }) => sum + productOf(id).cents * quantity, 0)
  const shipping = subtotal === 0 || FREE_SHIPPING <= subtotal ? 0 : SHIPPING
  return { subtotal, shipping, total: subtotal + shipping, missing: Math.max(0, FREE_SHIPPING - subtotal) }
}

export const pieces = (lines) => lines.reduce((sum, { quantity }) => sum + quantity, 0)

/** What was kept, as far as it is of this catalogue. */
function read() {
  try {
    const kept = { ...NOTHING, ...JSON.parse(localStorage.getItem(KEY)) }
    return { ...kept, lines: kept.lines.filter(({ id }) => productOf(id)) }
  } catch {
    return NOTHING
  }
}

/** A name for a customer that says nothing about them: the beginning of a digest of their address. */
async function userId(email) {
  const bytes = new TextEncoder().encode(email.trim().toLowerCase())
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes))
  return `shop-${[...digest.slice(0, 6)].map((byte) => byte.toString(16).padStart(2, '0')).join('')}`
}
