// What the shop sells: the catalogue of `concierge simulate`, so that what a visitor does here and what simulated
// shoppers do feed the same audiences. Ids, categories, English names and prices are the same; a test holds them together.

/** Where prices stand in; all locales pay in euros. */
export const CURRENCY = 'EUR'
/** From so much on, in cents, an order is sent for nothing. */
export const FREE_SHIPPING = 7500
/** What sending costs below that, in cents. */
export const SHIPPING = 490

/** A category: its lowest price in euros, who makes what is in it, line by line, and its nouns. */
const CATEGORIES = {
  kitchen: [9, ['Vardag', 'Kittelbo', 'Fjordhem', 'Maison Aubel'], ['bowl', 'pan', 'kettle', 'knife', 'teapot']],
  garden: [12, ['Grönt', 'Rosthagen', 'Fjordhem', 'Orangerie'], ['watering_can', 'lantern', 'trowel', 'planter', 'bench']],
  audio: [39, ['Tonika', 'Valve & Co', 'Norrljud', 'Opus Nine'], ['headphones', 'speaker', 'turntable', 'microphone', 'radio']],
  books: [8, ['Pennyleaf', 'Ember Press', 'Norrljus', 'Folio Noir'], ['novel', 'atlas', 'cookbook', 'notebook', 'calendar']],
  outdoor: [25, ['Stig', 'Campfire Co', 'Kaldfell', 'Summit Atelier'], ['backpack', 'tent', 'flask', 'jacket', 'stove']],
  toys: [7, ['Pyssla', 'Tin & Twig', 'Lilla Björn', 'Marionette'], ['puzzle', 'train', 'kite', 'blocks', 'robot']],
}

/** The lines in which everything is made, each dearer than the one before. */
export const LINES = ['plain', 'copper', 'nordic', 'deluxe']

/** Every style of every noun, as the simulator makes them. */
export const PRODUCTS = Object.entries(CATEGORIES).flatMap(([category, [lowest, brands, nouns]]) =>
  nouns.flatMap((noun, n) => LINES.map((line, l) => {
    const id = `${category}-${n * LINES.length + l + 1}`
    const cents = Math.trunc(lowest * 100 * (2 + n) * (2 + l) / 4) - 5
    return { id, category, noun, line, brand: brands[l], cents, ...opinions(id) }
  })))

const BY_ID = new Map(PRODUCTS.map((product) => [product.id, product]))

export const CATEGORY_KEYS = Object.keys(CATEGORIES)
export const BRANDS = [...new Set(Object.values(CATEGORIES).flatMap(([, brands]) => brands))]
export const productOf = (id) => BY_ID.get(id)
export const inCategory = (category) => PRODUCTS.filter((product) => product.category === category)

/** What others think of a product: stars of five to one place, and how many said so. Made up, but always the same. */
function opinions(id) {
  let hash = 2166136261
  for (const letter of id) hash = Math.imul(hash ^ letter.charCodeAt(0), 16777619) >>> 0
  return { stars: 3.7 + (hash >>> 7) % 13 / 10, voices: 6 + (hash >>> 12) % 380 }
}

/** What a product is called in a language. */
export function nameOf({ noun, line }, locale) {
  const [name] = NOUNS[noun][locale]
  const style = LINE_NAMES[line][locale]
  return locale === 'en' ? `${style} ${name.toLowerCase()}` : `${name} ${style}`
}

/** What is said of a product in a language. */
export const descriptionOf = ({ noun, line }, locale) => `${NOUNS[noun][locale][1]} ${LINE_TEXTS[line][locale]}`

/** The products that a search finds, those first whose name it is in. */
export function search(query, locale) {
  const words = query.toLocaleLowerCase(locale).split(/\s+/).filter(Boolean)
  const found = (text) => words.every((word) => text.includes(word))
  const hits = PRODUCTS.map((product) => {
    const name = nameOf(product, locale).toLocaleLowerCase(locale)
    const all = `${name} ${product.brand} ${product.category} ${descriptionOf(product, locale)}`.toLocaleLowerCase(locale)
    return { product, rank: found(name) ? 2 : found(all) ? 1 : 0 }
  })
  return words.length ? hits.filter(({ rank }) => rank).sort((a, b) => b.rank - a.rank).map(({ product }) => product) : []
}

/** What to show beside a product: the same in the other lines, then others of its category. */
export function beside(product) {
  const others = inCategory(product.category).filter(({ id }) => id !== product.id)
  return others.sort((a, b) => (b.noun === product.noun) - (a.noun === product.noun) || b.stars - a.stars).slice(0, 4)
}

/** A product as the e-commerce tracking specification has it. */
export const propertiesOf = (product) => ({
  product_id: product.id,
  name: nameOf(product, 'en'),
  category: product.category,
  brand: product.brand,
  price: product.cents / 100,
  currency: CURRENCY,
})

const LINE_NAMES = {
  plain: { en: 'Plain', sv: 'Enkel', ar: 'بلين' },
  copper: { en: 'Copper', sv: 'Koppar', ar: 'كوبر' },
  nordic: { en: 'Nordic', sv: 'Nordisk', ar: 'نورديك' },
  deluxe: { en: 'Deluxe', sv: 'Deluxe', ar: 'ديلوكس' },
}

const LINE_TEXTS = {
  plain: {
    en: 'Nothing more than it needs, at a price that lets you get two.',
    sv: 'Inget mer än vad som behövs, till ett pris som räcker till två.',
    ar: 'لا شيء زائد عن الحاجة، وبسعر يسمح لك بشراء اثنين.',
  },
  copper: {
    en: 'In warm copper tones that grow more beautiful with every year of use.',
    sv: 'I varma koppartoner som blir vackrare för varje år.',
    ar: 'بدرجات نحاسية دافئة تزداد جمالًا مع كل عام.',
  },
  nordic: {
    en: 'Drawn in the north, with clean lines and colours borrowed from the sea.',
    sv: 'Ritad i norr, med rena linjer och färger lånade från havet.',
    ar: 'صُمّم في الشمال بخطوط نقية وألوان مستوحاة من البحر.',
  },
  deluxe: {
    en: 'Finished by hand, numbered, and guaranteed for twenty-five years.',
    sv: 'Färdigställd för hand, numrerad och med tjugofem års garanti.',
    ar: 'مشطّب يدويًا ومرقّم ومضمون لخمسة وعشرين عامًا.',
  },
}

/** What each thing is called, and a sentence about it. */
const NOUNS = {
  bowl: {
    en: ['Bowl', 'A wide bowl for salads, dough and the Sunday fruit.'],
    sv: ['Skål', 'En vid skål för sallad, deg och söndagens frukt.'],
    ar: ['وعاء', 'وعاء واسع للسلطة والعجين وفاكهة العطلة.'],
  },
  pan: {
    en: ['Pan', 'An even heat from rim to rim, on any stove and in the oven.'],
    sv: ['Stekpanna', 'Jämn värme från kant till kant, på alla spisar och i ugn.'],
    ar: ['مقلاة', 'حرارة متساوية من الحافة إلى الحافة، لكل المواقد وللفرن.'],
  },
  kettle: {
    en: ['Kettle', 'Boils a litre in four minutes and says so with a soft note.'],
    sv: ['Vattenkokare', 'Kokar en liter på fyra minuter och säger till med en mjuk ton.'],
    ar: ['غلاية', 'تغلي لترًا في أربع دقائق وتنبّهك بنغمة هادئة.'],
  },
  knife: {
    en: ['Knife', 'A chef’s knife of forged steel, balanced at the bolster.'],
    sv: ['Kockkniv', 'En kockkniv av smitt stål, balanserad i greppet.'],
    ar: ['سكين', 'سكين طاهٍ من الفولاذ المطروق، متوازن في اليد.'],
  },
  teapot: {
    en: ['Teapot', 'Four cups, a spout that never drips, and a strainer inside.'],
    sv: ['Tekanna', 'Fyra koppar, en pip som aldrig droppar och en sil inuti.'],
    ar: ['إبريق شاي', 'أربعة أكواب، وفوهة لا تقطر، ومصفاة بالداخل.'],
  },
  watering_can: {
    en: ['Watering can', 'Eight litres, and a rose fine enough for seedlings.'],
    sv: ['Vattenkanna', 'Åtta liter, och en stril fin nog för småplantor.'],
    ar: ['مرشّة', 'ثمانية لترات ورأس ناعم يناسب الشتلات.'],
  },
  lantern: {
    en: ['Lantern', 'Keeps a candle burning through wind and late conversations.'],
    sv: ['Lykta', 'Håller ljuset brinnande genom vind och sena samtal.'],
    ar: ['فانوس', 'يُبقي الشمعة مضيئة في الريح وفي الأحاديث الطويلة.'],
  },
  trowel: {
    en: ['Trowel', 'A narrow blade for stony soil, and a handle that fits the hand.'],
    sv: ['Planteringsspade', 'Ett smalt blad för stenig jord och ett skaft som passar handen.'],
    ar: ['مجرفة', 'نصل ضيق للتربة الحجرية ومقبض يناسب اليد.'],
  },
  planter: {
    en: ['Planter', 'Drains from below, so roots stay dry and leaves stay green.'],
    sv: ['Kruka', 'Dränerar underifrån, så rötter hålls torra och blad gröna.'],
    ar: ['أصيص', 'يصرّف الماء من أسفل فتبقى الجذور سليمة والأوراق خضراء.'],
  },
  bench: {
    en: ['Bench', 'Seats three outdoors, all year round, without a screw in sight.'],
    sv: ['Bänk', 'Plats för tre utomhus, året runt, utan en synlig skruv.'],
    ar: ['مقعد', 'يتسع لثلاثة في الخارج طوال العام دون برغي ظاهر.'],
  },
  headphones: {
    en: ['Headphones', 'Over the ear, thirty hours of music, and silence on demand.'],
    sv: ['Hörlurar', 'Över örat, trettio timmars musik, och tystnad när du vill.'],
    ar: ['سماعات رأس', 'فوق الأذن، ثلاثون ساعة موسيقى، وصمت عند الطلب.'],
  },
  speaker: {
    en: ['Speaker', 'A two-way speaker that fills a living room and not the neighbours’.'],
    sv: ['Högtalare', 'En tvåvägshögtalare som fyller vardagsrummet, men inte grannens.'],
    ar: ['مكبّر صوت', 'مكبّر ثنائي يملأ غرفة المعيشة دون أن يزعج الجيران.'],
  },
  turntable: {
    en: ['Turntable', 'Belt-driven and heavy, with an arm that treats records kindly.'],
    sv: ['Skivspelare', 'Remdriven och tung, med en arm som är snäll mot skivor.'],
    ar: ['مشغّل أسطوانات', 'يعمل بالسير وثقيل، وذراعه لطيفة على الأسطوانات.'],
  },
  microphone: {
    en: ['Microphone', 'For voices and guitars, straight into a computer.'],
    sv: ['Mikrofon', 'För röster och gitarrer, rakt in i datorn.'],
    ar: ['ميكروفون', 'للأصوات والغيتار، مباشرة إلى الحاسوب.'],
  },
  radio: {
    en: ['Radio', 'Every station there is, on one dial, with a handle to take along.'],
    sv: ['Radio', 'Alla stationer på en ratt, med handtag att ta med.'],
    ar: ['راديو', 'كل المحطات على قرص واحد، ومقبض لحمله معك.'],
  },
  novel: {
    en: ['Novel', 'Four hundred pages about a lighthouse and who kept it.'],
    sv: ['Roman', 'Fyrahundra sidor om en fyr och den som skötte den.'],
    ar: ['رواية', 'أربعمئة صفحة عن منارة ومن اعتنى بها.'],
  },
  atlas: {
    en: ['Atlas', 'The world on paper, with a page for every coast.'],
    sv: ['Atlas', 'Världen på papper, med en sida för varje kust.'],
    ar: ['أطلس', 'العالم على الورق، وصفحة لكل ساحل.'],
  },
  cookbook: {
    en: ['Cookbook', 'A hundred suppers that take less time than choosing one.'],
    sv: ['Kokbok', 'Hundra middagar som går fortare att laga än att välja.'],
    ar: ['كتاب طبخ', 'مئة عشاء تحضيرها أسرع من اختيارها.'],
  },
  notebook: {
    en: ['Notebook', 'Thread-bound, opens flat, and takes ink without a shadow.'],
    sv: ['Anteckningsbok', 'Trådbunden, ligger platt och tål bläck utan genomslag.'],
    ar: ['دفتر', 'مخيط بالخيط، ينفتح مسطحًا، ويحتمل الحبر.'],
  },
  calendar: {
    en: ['Calendar', 'A year on a stand, with room for what matters.'],
    sv: ['Kalender', 'Ett år på ett stativ, med plats för det viktiga.'],
    ar: ['تقويم', 'عام كامل على حامل، مع مساحة لما يهم.'],
  },
  backpack: {
    en: ['Backpack', 'Twenty-eight litres, a dry pocket, and straps that forgive.'],
    sv: ['Ryggsäck', 'Tjugoåtta liter, ett torrt fack och remmar som förlåter.'],
    ar: ['حقيبة ظهر', 'ثمانية وعشرون لترًا وجيب مقاوم للماء وأحزمة مريحة.'],
  },
  tent: {
    en: ['Tent', 'For two and their boots, up in five minutes, dry in any rain.'],
    sv: ['Tält', 'För två och deras kängor, uppe på fem minuter, tätt i allt regn.'],
    ar: ['خيمة', 'لشخصين وأحذيتهما، تُنصب في خمس دقائق وتصمد في المطر.'],
  },
  flask: {
    en: ['Flask', 'Hot for twelve hours, cold for a day, and never leaks.'],
    sv: ['Termos', 'Varmt i tolv timmar, kallt i ett dygn, och läcker aldrig.'],
    ar: ['ترمس', 'ساخن لاثنتي عشرة ساعة، بارد ليوم كامل، ولا يسرّب.'],
  },
  jacket: {
    en: ['Jacket', 'Keeps out rain and wind, and folds into its own pocket.'],
    sv: ['Jacka', 'Stänger ute regn och vind, och ryms i sin egen ficka.'],
    ar: ['سترة', 'تصدّ المطر والريح وتُطوى داخل جيبها.'],
  },
  stove: {
    en: ['Stove', 'Boils coffee on a mountain with a cartridge that fits in a palm.'],
    sv: ['Stormkök', 'Kokar kaffe på fjället med en patron som ryms i handen.'],
    ar: ['موقد', 'يغلي القهوة على الجبل بأسطوانة بحجم الكف.'],
  },
  puzzle: {
    en: ['Puzzle', 'A thousand pieces of beech, and not two alike.'],
    sv: ['Pussel', 'Tusen bitar av bok, och inga två är lika.'],
    ar: ['أحجية', 'ألف قطعة من خشب الزان ولا تتشابه اثنتان.'],
  },
  train: {
    en: ['Train', 'An engine with a tender, for tracks of any brand.'],
    sv: ['Tåg', 'Ett lok med tender, för rälsen du redan har.'],
    ar: ['قطار', 'قاطرة بعربة فحم تناسب كل أنواع القضبان.'],
  },
  kite: {
    en: ['Kite', 'Flies in a breeze and survives a tree.'],
    sv: ['Drake', 'Flyger i en bris och överlever ett träd.'],
    ar: ['طائرة ورقية', 'تطير مع النسيم وتنجو من الأشجار.'],
  },
  blocks: {
    en: ['Blocks', 'Forty blocks, three colours, no instructions.'],
    sv: ['Klossar', 'Fyrtio klossar, tre färger, ingen bruksanvisning.'],
    ar: ['مكعبات', 'أربعون مكعبًا وثلاثة ألوان وبلا تعليمات.'],
  },
  robot: {
    en: ['Robot', 'Walks, blinks, and can be taken apart and put together again.'],
    sv: ['Robot', 'Går, blinkar, och kan plockas isär och sättas ihop igen.'],
    ar: ['روبوت', 'يمشي ويومض ويمكن فكّه وتركيبه من جديد.'],
  },
}
