// What plain pages do in the browser: a cart, a search, an account, rows of products that were decided. Without it they
// still show the whole shop.

import { nameOf, productOf, propertiesOf, inCategory, search } from './catalogue.js'
import { openStore, pieces, totals } from './store.js'
import { PLACES, TEXTS, money } from './texts.js'
import { toast } from './toast.js'

const { locale, home, kind, key } = document.documentElement.dataset
const t = TEXTS[locale]
const concierge = (...call) => window.concierge(...call)
const store = openStore({
  track: (event, properties) => concierge('track', event, properties),
  identify: (id, traits) => concierge('identify', id, traits),
  reset: () => concierge('reset'),
  decide: () => concierge('decide'),
})

const one = (selector, inside = document) => inside.querySelector(selector)
const all = (selector) => [...document.querySelectorAll(selector)]
const write = (selector, text) => all(selector).forEach((element) => (element.textContent = text))
const price = (cents) => money(cents, locale)

/** Fills a product into an element of which each part says what it is for. */
function fill(element, product, quantity = 1) {
  const name = nameOf(product, locale)
  const texts = {
    brand: product.brand, name, price: price(product.cents), quantity, sum: price(product.cents * quantity),
  }
  for (const part of element.querySelectorAll('[data-slot]')) {
    const { slot } = part.dataset
    if (slot in texts) part.textContent = texts[slot]
    if (slot === 'picture') part.src = `/pictures/${product.id}.svg`
    if (slot === 'stars') fillStars(part, product)
  }
  if (element.dataset.product) element.dataset.product = product.id
  for (const link of element.querySelectorAll('a')) link.href = `${home}product/${product.id}`
  for (const button of element.querySelectorAll('[data-add]')) {
    button.dataset.add = product.id
    button.setAttribute('aria-label', t.addNamed(name))
  }
  one('[data-step=remove]', element)?.setAttribute('aria-label', t.removeNamed(name))
  return element
}

function fillStars({ children: [, number, quiet, unseen] }, { stars, voices }) {
  number.textContent = stars.toFixed(1)
  quiet.textContent = ` (${voices})`
  unseen.textContent = ` ${t.stars(stars.toFixed(1))}, ${t.reviews(voices)}`
}

function showVisitor() {
  const { lines, user, place } = store.get()
  const count = pieces(lines)
  all('[data-count]').forEach((badge) => {
    badge.textContent = count
    badge.hidden = !count
  })
  write('[data-user]', user ? user.name : t.account)
  one('[data-place]').value = place
  showCart(lines)
  showAccount()
}

function showCart(lines) {
  const { subtotal, shipping, total, missing } = totals(lines)
  const sums = {
    subtotal: price(subtotal), shipping: shipping ? price(shipping) : t.free, total: price(total),
    missing: missing ? t.toFree(price(missing)) : t.isFree,
  }
  for (const [name, text] of Object.entries(sums)) write(`[data-sum=${name}]`, text)
  for (const bar of all('.summary progress')) Object.assign(bar, { max: subtotal + missing, value: subtotal })
  const list = one('[data-lines]')
  if (!list) return
  one('[data-empty]').hidden = 0 < lines.length
  one('[data-full]').hidden = lines.length === 0
  const focused = document.activeElement?.dataset.step
  const line = document.activeElement?.closest('[data-line]')?.dataset.line
  list.replaceChildren(...lines.map(({ id, quantity }) => {
    const element = one('[data-line-template]').content.cloneNode(true).firstElementChild
    element.dataset.line = id
    return fill(element, productOf(id), quantity)
  }))
  if (focused) one(`[data-line="${line}"] [data-step="${focused}"]`)?.focus()
}

function showAccount() {
  const list = one('[data-orders]')
  if (!list) return
  const { user, orders } = store.get()
  one('[data-out]').hidden = Boolean(user)
  one('[data-in]').hidden = !user
  write('[data-hello]', t.hello(user?.name ?? ''))
  const rows = orders.map(({ order_id, total }) => [order_id, price(total)])
  list.replaceChildren(...(rows.length ? rows : [[t.noOrders]]).map((texts) => {
    const row = document.createElement('li')
    row.append(...texts.map((text) => Object.assign(document.createElement('span'), { textContent: text })))
    return row
  }))
}

function showSearch() {
  const query = new URLSearchParams(location.search).get('q') ?? ''
  const found = search(query, locale).map(({ id }) => id)
  const places = new Map(found.map((id, place) => [id, place]))
  const cards = all('[data-cards] [data-product]').filter((card) => places.has(card.dataset.product))
  cards.sort((a, b) => places.get(a.dataset.product) - places.get(b.dataset.product))
  one('[data-cards]').replaceChildren(...cards)
  one('[data-none]').hidden = !query || 0 < found.length
  one('[name=q]').value = query
  if (query) write('[data-search-title]', t.results(query))
}

const SORTS = {
  popular: (a, b) => b.stars - a.stars, cheap: (a, b) => a.cents - b.cents, dear: (a, b) => b.cents - a.cents,
}

/** Shows the products that were decided for a row; those of the page where none were. */
function showRow(row, ids) {
  const cards = one('[data-cards]', row)
  row.own ??= [...cards.children]
  const chosen = (ids ?? []).map(productOf).filter(Boolean)
  const made = chosen.map((product) => fill(row.own[0].cloneNode(true), product))
  cards.replaceChildren(...(made.length ? made : row.own))
}

const HANDLERS = {
  '[data-add]'({ dataset }) {
    store.add(dataset.add)
    toast(dataset.add, locale)
  },
  '[data-step]'(button) {
    const { line } = button.closest('[data-line]').dataset
    const { quantity } = store.get().lines.find(({ id }) => id === line)
    store.set(line, button.dataset.step === 'remove' ? 0 : quantity + Number(button.dataset.step))
  },
  '[data-logout]': () => store.logout(),
}

document.addEventListener('click', ({ target }) => {
  for (const [selector, handle] of Object.entries(HANDLERS)) {
    const element = target.closest(selector)
    if (element) handle(element)
  }
})

const SUBMITS = {
  '[data-checkout]': () => (location.href = `${home}thanks?order=${store.order()}`),
  '[data-login]': ({ elements }) => store.login(elements.name.value, elements.email.value),
  '[data-newsletter]': (form) => (one('[role=status]', form).textContent = form.dataset.newsletter),
}

document.addEventListener('submit', (event) => {
  for (const [selector, handle] of Object.entries(SUBMITS)) {
    if (!event.target.matches(selector)) continue
    event.preventDefault()
    handle(event.target)
  }
})

document.addEventListener('change', ({ target }) => {
  if (target.matches('[data-place]')) store.deliverTo(PLACES.find(({ city }) => city === target.value))
  if (target.matches('[data-sort]')) {
    const cards = [...one('[data-cards]').children]
    const by = SORTS[target.value]
    const product = (card) => productOf(card.dataset.product)
    one('[data-cards]').replaceChildren(...cards.sort((a, b) => by(product(a), product(b))))
  }
})

const OPENED = {
  product: () => concierge('track', 'Product Viewed', propertiesOf(productOf(key))),
  category: () =>
    concierge('track', 'Product List Viewed', { list_id: key, category: key, products: inCategory(key).map(propertiesOf) }),
  search: showSearch,
  cart: () => store.viewCart(),
  checkout: () => store.startCheckout(),
  thanks: () => write('[data-thanks]', t.thanksText(new URLSearchParams(location.search).get('order') ?? '')),
}

showVisitor()
store.subscribe(showVisitor)
OPENED[kind]?.()
document.documentElement.dataset.ready = ''
// Rows are hidden until it is decided, and then have what is to be shown.
concierge('onDecisions', (decisions) => {
  for (const row of all('section[data-concierge]:has([data-cards])')) {
    showRow(row, decisions.find(({ placement }) => placement === row.dataset.concierge)?.content?.products)
  }
})
