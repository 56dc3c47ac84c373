// The pages of the shop, and which address has which.

import { useEffect, useState } from 'react'

import {
  BRANDS, CATEGORY_KEYS, PRODUCTS, beside, descriptionOf, inCategory, nameOf, productOf, propertiesOf, search,
} from './catalogue.js'
import { totals } from './store.js'
import { AddButton, Cards, CategoryTiles, Hero, Note, Row, Stars, useShop, useVisitor } from './views.jsx'

const byIds = (ids) => ids.map(productOf)
const POPULAR = byIds(['kitchen-11', 'garden-14', 'audio-3', 'toys-20'])
const SHELF = byIds(['books-7', 'outdoor-2', 'kitchen-18', 'garden-7'])

/** Most products of a list that are told of. */
const TOLD_MAX = 20

function Home() {
  const { t, href } = useShop()
  const [joined, setJoined] = useState(false)
  return (
    <div id="home">
      <Hero />
      <ul className="wide promises" id="promises">
        {t.promises.map(([title, text]) => <li key={title}><b>{title}</b> {text}</li>)}
      </ul>
      <CategoryTiles />
      <Row placement="home_row" id="popular" title={t.popular} text={t.popularText} products={POPULAR} />
      <div className="wide" data-concierge="survey" />
      <section className="wide story" id="story">
        <img src="/pictures/still-story.svg" alt="" width="760" height="460" loading="lazy" />
        <div>
          <h2>{t.story.title}</h2>
          <p>{t.story.text}</p>
          <a className="button quiet-button" href={href('/search?q=deluxe')}>{t.story.button}</a>
        </div>
      </section>
      <section className="wide row" id="shelf">
        <div className="row-head"><h2>{t.inspiration}</h2></div>
        <Cards products={SHELF} />
      </section>
      <section className="wide brands" id="brands">
        <h2>{t.brandsTitle}</h2>
        <ul>{BRANDS.slice(0, 12).map((brand) => <li key={brand}>{brand}</li>)}</ul>
      </section>
      <section className="wide newsletter" id="newsletter">
        <div><h2>{t.newsletter.title}</h2><p>{t.newsletter.text}</p></div>
        <form data-event="Newsletter Joined" data-newsletter={t.newsletter.thanks} onSubmit={(event) => {
          event.preventDefault()
          setJoined(true)
        }}>
          <input type="email" name="email" required placeholder={t.newsletter.label} aria-label={t.newsletter.label} />
          <button className="button">{t.newsletter.button}</button>
          <p role="status">{joined ? t.newsletter.thanks : ''}</p>
        </form>
      </section>
    </div>
  )
}

const ORDERS = {
  popular: (a, b) => b.stars - a.stars || b.voices - a.voices,
  cheap: (a, b) => a.cents - b.cents,
  dear: (a, b) => b.cents - a.cents,
}

function Category({ category }) {
  const { t } = useShop()
  const [order, setOrder] = useState('popular')
  const [title, text] = t.categories[category]
  const products = inCategory(category).sort(ORDERS[order])
  return (
    <div className="wide page">
      <header className="list-head">
        <div><h1>{title}</h1><p className="quiet">{text}</p></div>
        <p className="quiet">{t.count(products.length)}</p>
        <label className="sort">{t.sort}
          <select data-sort="" {...onChange(order, setOrder)}>
            {Object.entries(t.sorts).map(([key, text]) => <option key={key} value={key}>{text}</option>)}
          </select>
        </label>
      </header>
      <Cards products={products} />
    </div>
  )
}

const onChange = (value, set) => ({ value, onChange: ({ target }) => set(target.value) })

function Product({ product }) {
  const { t, href, locale, price } = useShop()
  const [category] = t.categories[product.category]
  const name = nameOf(product, locale)
  return (
    <>
      <div className="wide page">
        <nav className="crumbs" aria-label={category}>
          <a href={href('/')}>{t.home}</a> <span aria-hidden="true">/</span>{' '}
          <a href={href(`/category/${product.category}`)}>{category}</a>
        </nav>
        <div className="product">
          <img src={`/pictures/${product.id}.svg`} alt={name} width="400" height="400" />
          <div>
            <p className="kicker">{product.brand}</p>
            <h1>{name}</h1>
            <Stars product={product} />
            <p className="price large">{price(product.cents)}</p>
            <p>{descriptionOf(product, locale)}</p>
            <AddButton product={product} className="button wide-button">{t.add}</AddButton>
            <Note placement="product_note" text={t.inStock} />
            <ul className="care">{t.care.map((text) => <li key={text}>{text}</li>)}</ul>
            <dl className="facts">
              <dt>{t.made}</dt><dd>{product.brand}</dd>
              <dt>{t.number}</dt><dd>{product.id}</dd>
            </dl>
          </div>
        </div>
      </div>
      <Row placement="product_row" title={t.beside} products={beside(product)} />
      <div className="wide" data-concierge="why" />
    </>
  )
}

function Search({ query }) {
  const { t, locale, isPlain } = useShop()
  const found = isPlain ? PRODUCTS : search(query, locale)
  const title = query ? t.results(query) : t.askSearch
  return (
    <div className="wide page">
      <header className="list-head"><h1 data-search-title="">{title}</h1></header>
      <Note placement="search_note" text={t.care[0]} />
      <p data-none="" hidden={isPlain || !query || 0 < found.length}>{t.noResults}</p>
      <Cards products={found} />
    </div>
  )
}

/** A line of the cart; on plain pages one of nothing, which is filled in. */
function CartLine({ product, quantity }) {
  const { t, href, locale, price, store } = useShop()
  const name = nameOf(product, locale)
  const set = (quantity) => store.set(product.id, quantity)
  return (
    <li className="line" data-line={product.id}>
      <img data-slot="picture" src={`/pictures/${product.id}.svg`} alt="" width="400" height="400" />
      <div>
        <p className="quiet" data-slot="brand">{product.brand}</p>
        <a className="card-name" data-slot="name" href={href(`/product/${product.id}`)}>{name}</a>
        <p className="stepper" role="group" aria-label={t.quantity}>
          <button type="button" data-step="-1" aria-label={`${t.quantity} −1`} onClick={() => set(quantity - 1)}>−</button>
          <output data-slot="quantity">{quantity}</output>
          <button type="button" data-step="1" aria-label={`${t.quantity} +1`} onClick={() => set(quantity + 1)}>+</button>
        </p>
      </div>
      <div className="line-end">
        <b data-slot="sum">{price(product.cents * quantity)}</b>
        <button type="button" className="plain-button" data-step="remove" aria-label={t.removeNamed(name)}
          onClick={() => set(0)}>{t.remove}</button>
      </div>
    </li>
  )
}

function Summary({ children }) {
  const { t, price } = useShop()
  const { lines } = useVisitor()
  const { subtotal, shipping, total, missing } = totals(lines)
  return (
    <section className="summary">
      <h2>{t.summary}</h2>
      <p className="to-free" data-sum="missing">{missing ? t.toFree(price(missing)) : t.isFree}</p>
      <progress max={subtotal + missing} value={subtotal} aria-label={t.shipping} />
      <dl>
        <dt>{t.subtotal}</dt><dd data-sum="subtotal">{price(subtotal)}</dd>
        <dt>{t.shipping}</dt><dd data-sum="shipping">{shipping ? price(shipping) : t.free}</dd>
        <dt className="total">{t.total}</dt><dd className="total" data-sum="total">{price(total)}</dd>
      </dl>
      {children}
    </section>
  )
}

function Cart() {
  const { t, href, isPlain, store } = useShop()
  const { lines } = useVisitor()
  useEffect(() => store.viewCart(), [store])
  const isFull = isPlain || 0 < lines.length
  return (
    <div className="wide page">
      <h1>{t.cartTitle}</h1>
      <div className="empty" data-empty="" hidden={isPlain || isFull}>
        <p>{t.empty}</p><a className="button" href={href('/')}>{t.goOn}</a>
      </div>
      <div className="cart" data-full="" hidden={isPlain || !isFull}>
        <ul className="lines" data-lines="">
          {lines.map(({ id, quantity }) => <CartLine key={id} product={productOf(id)} quantity={quantity} />)}
        </ul>
        <Summary>
          <Note placement="cart_note" text={t.care[0]} />
          <a className="button wide-button" href={href('/checkout')}>{t.checkout}</a>
          <a className="plain-button" href={href('/')}>{t.goOn}</a>
        </Summary>
      </div>
      {isPlain ? <template data-line-template=""><CartLine product={PRODUCTS[0]} quantity={1} /></template> : null}
    </div>
  )
}

function Checkout() {
  const { t, store, go } = useShop()
  useEffect(() => store.startCheckout(), [store])
  const submit = (event) => {
    event.preventDefault()
    go(`/thanks?order=${store.order()}`)
  }
  const [first] = FIELDS
  return (
    <div className="wide page">
      <h1>{t.checkoutTitle}</h1>
      <form className="cart" data-checkout="" onSubmit={submit}>
        <div className="fields">
          <fieldset>
            <legend>{t.delivery}</legend>
            {FIELDS.map(([name, kind, autoComplete]) => (
              <label key={name} className={name === first[0] ? 'whole' : undefined}>{t[name]}
                <input name={name} type={kind} autoComplete={autoComplete} required />
              </label>
            ))}
          </fieldset>
          <fieldset className="choices">
            <legend>{t.payment}</legend>
            <label><input type="radio" name="payment" defaultChecked /> {t.card}</label>
            <label><input type="radio" name="payment" /> {t.invoice}</label>
          </fieldset>
          <p className="quiet">{t.demo}</p>
        </div>
        <Summary>
          <Note placement="checkout_note" text={t.care[2]} />
          <button className="button wide-button">{t.order}</button>
        </Summary>
      </form>
    </div>
  )
}

const FIELDS = [
  ['name', 'text', 'name'], ['email', 'email', 'email'], ['address', 'text', 'street-address'],
  ['postcode', 'text', 'postal-code'], ['city', 'text', 'address-level2'],
]

function Thanks({ order }) {
  const { t, href } = useShop()
  return (
    <div className="wide page message">
      <h1>{t.thanks}</h1>
      <p data-thanks="">{t.thanksText(order)}</p>
      <a className="button" href={href('/')}>{t.back}</a>
    </div>
  )
}

function Account() {
  const { t, store, price, isPlain } = useShop()
  const { user, orders } = useVisitor()
  const login = (event) => {
    event.preventDefault()
    const { name, email } = event.target.elements
    store.login(name.value, email.value)
  }
  return (
    <div className="wide page narrow">
      <div data-out="" hidden={Boolean(user)}>
        <h1>{t.accountTitle}</h1>
        <p>{t.accountText}</p>
        <form className="fields" data-login="" onSubmit={login}>
          <label>{t.name}<input name="name" autoComplete="name" required /></label>
          <label>{t.email}<input name="email" type="email" autoComplete="email" required /></label>
          <button className="button">{t.login}</button>
          <p className="quiet">{t.demo}</p>
        </form>
      </div>
      <div data-in="" hidden={isPlain || !user}>
        <h1 data-hello="">{t.hello(user?.name ?? '')}</h1>
        <p>{t.loggedIn}</p>
        <h2>{t.orders}</h2>
        <ul className="orders" data-orders="">
          {orders.map(({ order_id, total }) => <li key={order_id}><span>{order_id}</span><b>{price(total)}</b></li>)}
          {orders.length ? null : <li>{t.noOrders}</li>}
        </ul>
        <button type="button" className="button quiet-button" data-logout="" onClick={store?.logout}>{t.logout}</button>
      </div>
    </div>
  )
}

function NotFound() {
  const { t, href } = useShop()
  return (
    <div className="wide page message">
      <h1>{t.notFound}</h1><p>{t.notFoundText}</p><a className="button" href={href('/')}>{t.back}</a>
    </div>
  )
}

/** The page under a path of a shop: what it shows, its title, and what is told of it when it is opened. */
export function pageOf(path, parameters, t, locale) {
  const [, kind, key] = path.split('/')
  const product = kind === 'product' && productOf(key)
  if (product) {
    return {
      element: <Product key={key} product={product} />, title: nameOf(product, locale),
      told: ['Product Viewed', propertiesOf(product)],
    }
  }
  if (kind === 'category' && CATEGORY_KEYS.includes(key)) {
    const products = inCategory(key).slice(0, TOLD_MAX).map(propertiesOf)
    return {
      element: <Category key={key} category={key} />, title: t.categories[key][0],
      told: ['Product List Viewed', { list_id: key, category: key, products }],
    }
  }
  const query = parameters.get('q') ?? ''
  const pages = {
    '/': [<Home />, t.tagline],
    '/search': [<Search query={query} />, t.search],
    '/cart': [<Cart />, t.cartTitle],
    '/checkout': [<Checkout />, t.checkoutTitle],
    '/thanks': [<Thanks order={parameters.get('order') ?? ''} />, t.thanks],
    '/account': [<Account />, t.accountTitle],
  }
  const [element, title] = pages[path] ?? [<NotFound />, t.notFound]
  return { element, title }
}

/** The paths of all pages, as they are rendered for the plain shop. */
export const PATHS = [
  '/', '/search', '/cart', '/checkout', '/thanks', '/account', '/404',
  ...CATEGORY_KEYS.map((key) => `/category/${key}`), ...PRODUCTS.map(({ id }) => `/product/${id}`),
]
