// What every page is made of. The plain shop is these views, rendered once to HTML without React; the other is these
// views with React in the browser. What only one of them needs is told by `isPlain`.

import { createContext, useContext, useSyncExternalStore } from 'react'

import { usePlacement } from '@concierge/browser/react'

import { CATEGORY_KEYS, inCategory, nameOf, productOf } from './catalogue.js'
import { pieces } from './store.js'
import { PLACES, TEXTS, money } from './texts.js'

/** `locale`, `root` (before all paths, `/react` or nothing), `path` (of this page), `isPlain`, and `store`. */
export const Shop = createContext(null)

/** An address in one of the shops. English is at its root. */
export const addressOf = (root, locale, path) => `${root}${locale === 'en' ? '' : `/${locale}`}${path}`

export function useShop() {
  const shop = useContext(Shop)
  return {
    ...shop,
    t: TEXTS[shop.locale],
    href: (path) => addressOf(shop.root, shop.locale, path),
    price: (cents) => money(cents, shop.locale),
  }
}

const EMPTY = { lines: [], user: null, place: '', orders: [] }
const never = () => () => undefined

/** What the visitor has; nothing where a page is rendered before anybody visits. */
export function useVisitor() {
  const { store } = useContext(Shop)
  return useSyncExternalStore(store?.subscribe ?? never, store?.get ?? (() => EMPTY), () => EMPTY)
}

/** On plain pages elements say which field of a placement's content goes into them; React renders it by itself. */
function useFields(placement) {
  const { isPlain } = useContext(Shop)
  const content = usePlacement(placement) ?? {}
  const field = (name, attribute) => (isPlain ? { [`data-field${attribute ? `-${attribute}` : ''}`]: name } : {})
  return { content, field }
}

const ICONS = {
  search: 'M11 4a7 7 0 1 1 0 14 7 7 0 0 1 0-14zM16.5 16.5L21 21',
  user: 'M12 4a4 4 0 1 1 0 8 4 4 0 0 1 0-8zM4.5 21c.6-9 14.4-9 15 0',
  bag: 'M5 8h14l1.2 13H3.8zM8.5 11V7a3.5 3.5 0 0 1 7 0v4',
  truck: 'M2.5 6.5h11v10h-11zM13.5 10h4l4 3.5v3h-8M7 19a2 2 0 1 0 0-4 2 2 0 0 0 0 4zM17.5 19a2 2 0 1 0 0-4 2 2 0 0 0 0 4z',
  check: 'M5 12.5l4.5 4.5L19 7.5',
}

const Icon = ({ name }) => (
  <svg className="icon" viewBox="0 0 24 24" aria-hidden="true"><path d={ICONS[name]} /></svg>
)

export function Layout({ children }) {
  const { t } = useShop()
  return (
    <>
      <a className="skip" href="#content">{t.skip}</a>
      <TopBar />
      <Header />
      <main id="content">{children}</main>
      <Footer />
      <p className="toast" role="status" data-toast />
    </>
  )
}

function TopBar() {
  const { t } = useShop()
  const { content, field } = useFields('top_bar')
  return (
    <aside className="top-bar" data-concierge="top_bar" aria-label={t.service}>
      <p {...field('text')}>{content.text ?? t.announcement}</p>
    </aside>
  )
}

function Header() {
  const { t, href, locale, root, path } = useShop()
  const { lines, user } = useVisitor()
  const count = pieces(lines)
  return (
    <header className="header">
      <div className="wide header-row">
        <a className="logo" href={href('/')}>
          <img src="/pictures/mark.svg" alt="" width="32" height="32" /><span>Tallby</span>
        </a>
        <form className="search" role="search" action={href('/search')}>
          <Icon name="search" />
          <input name="q" type="search" placeholder={t.searchFor} aria-label={t.search} autoComplete="off" />
        </form>
        <nav className="languages" aria-label={t.languages}>
          {Object.entries(TEXTS).map(([key, { language }]) => (
            <a key={key} href={addressOf(root, key, path)} lang={key} hrefLang={key}
              aria-current={key === locale ? 'true' : undefined}>{key}<span className="unseen"> {language}</span></a>
          ))}
        </nav>
        <a className="header-link" href={href('/account')}>
          <Icon name="user" /><span data-user={t.account}>{user ? user.name : t.account}</span>
        </a>
        <a className="header-link cart-link" href={href('/cart')}>
          <Icon name="bag" /><span>{t.cart}</span><b className="badge" data-count hidden={!count}>{count}</b>
        </a>
      </div>
      <div className="wide nav-row">
        <nav className="categories-nav" aria-label={t.menu}>
          {CATEGORY_KEYS.map((key) => (
            <a key={key} href={href(`/category/${key}`)} aria-current={path === `/category/${key}` ? 'page' : undefined}>
              {t.categories[key][0]}
            </a>
          ))}
        </nav>
        <Delivery />
      </div>
    </header>
  )
}

function Delivery() {
  const { t, locale, store } = useShop()
  const { place } = useVisitor()
  const choose = ({ target }) => store.deliverTo(PLACES.find(({ city }) => city === target.value))
  return (
    <label className="delivery">
      <Icon name="truck" /><span>{t.deliverTo}</span>
      <select data-place {...(store ? { value: place, onChange: choose } : {})}>
        <option value="">{t.anywhere}</option>
        {PLACES.map(({ city, names }) => <option key={city} value={city}>{names[locale] ?? city}</option>)}
      </select>
    </label>
  )
}

function Footer() {
  const { t, href, root, locale, path } = useShop()
  const [other, text] = root ? ['', t.other.react] : ['/react', t.other.plain]
  return (
    <footer className="footer">
      <div className="wide footer-row">
        <div className="footer-about">
          <p className="logo"><img src="/pictures/mark.svg" alt="" width="32" height="32" /><span>Tallby</span></p>
          <p>{t.about}</p>
        </div>
        <nav aria-label={t.shop}>
          <h2>{t.shop}</h2>
          {CATEGORY_KEYS.map((key) => <a key={key} href={href(`/category/${key}`)}>{t.categories[key][0]}</a>)}
        </nav>
        <div>
          <h2>{t.service}</h2>
          {t.help.map((text) => <p key={text}>{text}</p>)}
        </div>
        <nav aria-label={t.editions}>
          <h2>{t.editions}</h2>
          <a href={addressOf(other, locale, path)} data-elsewhere="">{text}</a>
          {Object.entries(TEXTS).map(([key, { language }]) => (
            <a key={key} href={addressOf(root, key, path)} lang={key}>{language}</a>
          ))}
        </nav>
      </div>
    </footer>
  )
}

export function Stars({ product }) {
  const { t } = useShop()
  const stars = product.stars.toFixed(1)
  return (
    <span className="stars" data-slot="stars">
      <span aria-hidden="true">★</span> <span>{stars}</span>
      <span className="quiet"> ({product.voices})</span>
      <span className="unseen"> {t.stars(stars)}, {t.reviews(product.voices)}</span>
    </span>
  )
}

const pictureOf = ({ id }) => `/pictures/${id}.svg`

export function AddButton({ product, children, className = 'add' }) {
  const { t, locale, store } = useShop()
  return (
    <button type="button" className={className} data-add={product.id}
      aria-label={children ? undefined : t.addNamed(nameOf(product, locale))} onClick={() => store.add(product.id)}>
      {children ?? <span aria-hidden="true">+</span>}
    </button>
  )
}

export function Card({ product }) {
  const { href, locale, price } = useShop()
  return (
    <article className="card" data-product={product.id} data-cents={product.cents} data-stars={product.stars}>
      <a className="card-link" href={href(`/product/${product.id}`)}>
        <img data-slot="picture" src={pictureOf(product)} alt="" width="400" height="400" loading="lazy" />
        <span className="quiet" data-slot="brand">{product.brand}</span>
        <span className="card-name" data-slot="name">{nameOf(product, locale)}</span>
        <Stars product={product} />
        <span className="price" data-slot="price">{price(product.cents)}</span>
      </a>
      <AddButton product={product} />
    </article>
  )
}

export const Cards = ({ products }) => (
  <div className="cards" data-cards="">{products.map((product) => <Card key={product.id} product={product} />)}</div>
)

/** A row of products, for which a placement may have others. */
export function Row({ placement, id, title, text, products }) {
  const { content, field } = useFields(placement)
  const chosen = content.products?.map(productOf).filter(Boolean) ?? products
  return (
    <section className="wide row" id={id} data-concierge={placement}>
      <div className="row-head">
        <h2 {...field('title')}>{content.title ?? title}</h2>
        {text ? <p className="quiet" {...field('text')}>{content.text ?? text}</p> : null}
      </div>
      <Cards products={chosen} />
    </section>
  )
}

export function Hero() {
  const { t } = useShop()
  const { content, field } = useFields('home_hero')
  const link = content.link ?? 'category/kitchen'
  return (
    <section className="wide hero" data-concierge="home_hero">
      <div className="hero-text">
        <p className="kicker" {...field('kicker')}>{content.kicker ?? t.hero.kicker}</p>
        <h1 {...field('title')}>{content.title ?? t.hero.title}</h1>
        <p {...field('text')}>{content.text ?? t.hero.text}</p>
        <a className="button" href={link} {...field('button')} {...field('link', 'href')}>{content.button ?? t.hero.button}</a>
      </div>
      <img {...field('image')} src={content.image ?? '/pictures/still-home.svg'} alt="" width="760" height="460" />
    </section>
  )
}

export const CategoryTiles = () => {
  const { t, href } = useShop()
  return (
    <section className="wide row" id="categories">
      <div className="row-head"><h2>{t.shopBy}</h2></div>
      <div className="tiles">
        {CATEGORY_KEYS.map((key) => (
          <a key={key} className="tile" href={href(`/category/${key}`)}>
            <img src={pictureOf(inCategory(key)[6])} alt="" width="400" height="400" />
            <span>{t.categories[key][0]}</span>
          </a>
        ))}
      </div>
    </section>
  )
}

/** A sentence for a place in a page where an experience may have another. */
export function Note({ placement, text }) {
  const { content, field } = useFields(placement)
  return (
    <p className="note" data-concierge={placement}>
      <Icon name="check" /><span {...field('text')}>{content.text ?? text}</span>
    </p>
  )
}
