// What the shop says, in its three languages. The name of a language is said in that language.

const en = {
  language: 'English', direction: 'ltr', format: 'en-IE',
  tagline: 'Things that last', skip: 'Skip to content', menu: 'Categories', searchFor: 'Search 120 things', search: 'Search',
  account: 'Account', cart: 'Cart', languages: 'Language', home: 'Home', back: 'Back to the shop',
  announcement: 'Free shipping over €75 · 60 days to change your mind', deliverTo: 'Deliver to', anywhere: 'Choose a place',
  hero: {
    kicker: 'The autumn collection', title: 'Things that last',
    text: 'A hundred and twenty things for the house and the world outside, made well and sold fairly.', button: 'Look around',
  },
  promises: [
    ['60 days', 'to change your mind'], ['Repaired', 'for as long as you own it'], ['Climate-counted', 'from workshop to door'],
  ],
  categories: {
    kitchen: ['Kitchen', 'For everyday suppers and Sunday dough.'], garden: ['Garden', 'For balconies, beds and late evenings.'],
    audio: ['Audio', 'Sound worth sitting down for.'], books: ['Books', 'Paper for long winters.'],
    outdoor: ['Outdoor', 'For weather of every kind.'], toys: ['Toys', 'For those who are small, or once were.'],
  },
  shopBy: 'Shop by category', popular: 'Popular now', popularText: 'What others keep coming back for.',
  inspiration: 'The shelf of the week', story: {
    title: 'Bought once, kept for good',
    text: 'We sell what we would hand down. Everything here can be repaired, and we keep spare parts for as long as anyone asks.',
    button: 'See what is made by hand',
  },
  brandsTitle: 'From makers we know', newsletter: {
    title: 'One letter a month', text: 'New things, repairs, and recipes. No more than that.', label: 'Your e-mail address',
    button: 'Sign up', thanks: 'Thank you, the next letter is yours.',
  },
  sort: 'Sort', sorts: { popular: 'Most loved', cheap: 'Price, low to high', dear: 'Price, high to low' },
  count: (n) => `${n} ${n === 1 ? 'thing' : 'things'}`, stars: (n) => `${n} of 5 stars`, reviews: (n) => `${n} reviews`,
  add: 'Add to cart', added: 'In your cart', addNamed: (name) => `Add ${name} to the cart`,
  inStock: 'In stock, with you in 2 to 4 days', details: 'Details', made: 'Made by', line: 'Line', number: 'Item',
  care: ['Free returns for 60 days', 'Spare parts and repairs', 'Secure payment'], beside: 'Goes well with it',
  results: (query) => `Results for “${query}”`, noResults: 'Nothing by that name. Try kettle, tent or robot.', askSearch: 'What are you looking for?',
  cartTitle: 'Your cart', empty: 'There is nothing in it yet.', quantity: 'Quantity', remove: 'Remove',
  removeNamed: (name) => `Remove ${name}`, summary: 'Summary', subtotal: 'Subtotal', shipping: 'Shipping', free: 'Free', total: 'Total, with VAT',
  toFree: (money) => `${money} to free shipping`, isFree: 'Shipping is on us', checkout: 'Go to checkout', goOn: 'Keep looking',
  checkoutTitle: 'Checkout', delivery: 'Delivery', name: 'Name', email: 'E-mail', address: 'Street and number', city: 'City', postcode: 'Postcode',
  payment: 'Payment', card: 'Card', invoice: 'Invoice, 30 days', order: 'Place the order', demo: 'This is a demonstration: nothing is sold, and nothing is charged.',
  thanks: 'Thank you', thanksText: (order) => `Your order ${order} is on its way. There is nothing more to do.`,
  accountTitle: 'Your account', accountText: 'Log in and find your cart on every device.', login: 'Log in', logout: 'Log out',
  hello: (name) => `Hello, ${name}`, loggedIn: 'You are logged in.', orders: 'Your orders', noOrders: 'No orders yet.',
  notFound: 'This page is sold out', notFoundText: 'The page you asked for is not here any more.',
  about: 'A shop that does not exist. It shows Concierge at work.', other: { plain: 'The same shop with React', react: 'The same shop in plain HTML' },
  help: ['Shipping and returns', 'Repairs', 'Contact'], shop: 'Shop', service: 'Service', editions: 'Editions',
}

const sv = {
  language: 'Svenska', direction: 'ltr', format: 'sv-SE',
  tagline: 'Saker som håller', skip: 'Till innehållet', menu: 'Kategorier', searchFor: 'Sök bland 120 saker', search: 'Sök',
  account: 'Konto', cart: 'Varukorg', languages: 'Språk', home: 'Hem', back: 'Tillbaka till butiken',
  announcement: 'Fri frakt över 75 € · 60 dagars öppet köp', deliverTo: 'Leverera till', anywhere: 'Välj ort',
  hero: {
    kicker: 'Höstens kollektion', title: 'Saker som håller',
    text: 'Hundratjugo saker för hemmet och världen utanför, väl gjorda och rättvist prissatta.', button: 'Se dig omkring',
  },
  promises: [
    ['60 dagar', 'att ångra dig på'], ['Lagas', 'så länge du äger den'], ['Klimaträknat', 'från verkstad till dörr'],
  ],
  categories: {
    kitchen: ['Kök', 'För vardagsmiddagar och söndagsdeg.'], garden: ['Trädgård', 'För balkonger, rabatter och sena kvällar.'],
    audio: ['Ljud', 'Ljud värt att sätta sig ner för.'], books: ['Böcker', 'Papper för långa vintrar.'],
    outdoor: ['Friluft', 'För väder av alla slag.'], toys: ['Leksaker', 'För dem som är små, eller har varit.'],
  },
  shopBy: 'Handla efter kategori', popular: 'Populärt just nu', popularText: 'Det som andra kommer tillbaka för.',
  inspiration: 'Veckans hylla', story: {
    title: 'Köp en gång, behåll för alltid',
    text: 'Vi säljer det vi själva skulle ärva bort. Allt här går att laga, och vi har reservdelar så länge någon frågar.',
    button: 'Se det handgjorda',
  },
  brandsTitle: 'Från verkstäder vi känner', newsletter: {
    title: 'Ett brev i månaden', text: 'Nyheter, lagningar och recept. Inte mer än så.', label: 'Din e-postadress',
    button: 'Anmäl mig', thanks: 'Tack, nästa brev är ditt.',
  },
  sort: 'Sortera', sorts: { popular: 'Mest omtyckt', cheap: 'Pris, stigande', dear: 'Pris, fallande' },
  count: (n) => `${n} ${n === 1 ? 'sak' : 'saker'}`, stars: (n) => `${n} av 5 stjärnor`, reviews: (n) => `${n} omdömen`,
  add: 'Lägg i varukorgen', added: 'I varukorgen', addNamed: (name) => `Lägg ${name} i varukorgen`,
  inStock: 'I lager, hos dig om 2 till 4 dagar', details: 'Detaljer', made: 'Tillverkare', line: 'Serie', number: 'Artikel',
  care: ['Fri retur i 60 dagar', 'Reservdelar och lagning', 'Säker betalning'], beside: 'Passar bra till',
  results: (query) => `Träffar för ”${query}”`, noResults: 'Inget med det namnet. Prova tekanna, tält eller robot.', askSearch: 'Vad letar du efter?',
  cartTitle: 'Din varukorg', empty: 'Den är tom än så länge.', quantity: 'Antal', remove: 'Ta bort',
  removeNamed: (name) => `Ta bort ${name}`, summary: 'Summering', subtotal: 'Delsumma', shipping: 'Frakt', free: 'Fri', total: 'Totalt, med moms',
  toFree: (money) => `${money} kvar till fri frakt`, isFree: 'Vi bjuder på frakten', checkout: 'Till kassan', goOn: 'Fortsätt titta',
  checkoutTitle: 'Kassa', delivery: 'Leverans', name: 'Namn', email: 'E-post', address: 'Gata och nummer', city: 'Ort', postcode: 'Postnummer',
  payment: 'Betalning', card: 'Kort', invoice: 'Faktura, 30 dagar', order: 'Lägg beställningen', demo: 'Detta är en demonstration: inget säljs och inget dras.',
  thanks: 'Tack', thanksText: (order) => `Din beställning ${order} är på väg. Du behöver inte göra mer.`,
  accountTitle: 'Ditt konto', accountText: 'Logga in och hitta din varukorg på alla enheter.', login: 'Logga in', logout: 'Logga ut',
  hello: (name) => `Hej, ${name}`, loggedIn: 'Du är inloggad.', orders: 'Dina beställningar', noOrders: 'Inga beställningar än.',
  notFound: 'Den här sidan är slutsåld', notFoundText: 'Sidan du frågade efter finns inte längre.',
  about: 'En butik som inte finns. Den visar Concierge i arbete.', other: { plain: 'Samma butik med React', react: 'Samma butik i ren HTML' },
  help: ['Frakt och retur', 'Lagning', 'Kontakt'], shop: 'Butik', service: 'Service', editions: 'Utgåvor',
}

const ar = {
  language: 'العربية', direction: 'rtl', format: 'ar-AE',
  tagline: 'أشياء تدوم', skip: 'انتقل إلى المحتوى', menu: 'الأقسام', searchFor: 'ابحث بين ١٢٠ منتجًا', search: 'بحث',
  account: 'الحساب', cart: 'السلة', languages: 'اللغة', home: 'الرئيسية', back: 'العودة إلى المتجر',
  announcement: 'شحن مجاني فوق ٧٥ يورو · ٦٠ يومًا لتغيير رأيك', deliverTo: 'التوصيل إلى', anywhere: 'اختر مكانًا',
  hero: {
    kicker: 'مجموعة الخريف', title: 'أشياء تدوم',
    text: 'مئة وعشرون شيئًا للبيت وللعالم خارجه، مصنوعة بإتقان وبسعر عادل.', button: 'تصفّح المتجر',
  },
  promises: [['٦٠ يومًا', 'لتغيير رأيك'], ['إصلاح', 'ما دمت تملكه'], ['محسوب مناخيًا', 'من الورشة إلى الباب']],
  categories: {
    kitchen: ['المطبخ', 'لعشاء كل يوم وعجين العطلة.'], garden: ['الحديقة', 'للشرفات والأحواض والأمسيات.'],
    audio: ['الصوتيات', 'صوت يستحق أن تجلس له.'], books: ['الكتب', 'ورق لليالي الشتاء الطويلة.'],
    outdoor: ['الرحلات', 'لكل أنواع الطقس.'], toys: ['الألعاب', 'للصغار ولمن كانوا صغارًا.'],
  },
  shopBy: 'تسوّق حسب القسم', popular: 'الأكثر رواجًا الآن', popularText: 'ما يعود الآخرون من أجله.',
  inspiration: 'رفّ الأسبوع', story: {
    title: 'اشترِ مرة واحتفظ به دائمًا',
    text: 'نبيع ما نودّ أن نورثه. كل ما هنا قابل للإصلاح، ونحتفظ بقطع الغيار ما دام أحد يسأل عنها.',
    button: 'شاهد المصنوع يدويًا',
  },
  brandsTitle: 'من صنّاع نعرفهم', newsletter: {
    title: 'رسالة واحدة كل شهر', text: 'جديدنا وإصلاحاتنا ووصفاتنا، لا أكثر.', label: 'بريدك الإلكتروني',
    button: 'اشترك', thanks: 'شكرًا، الرسالة القادمة لك.',
  },
  sort: 'الترتيب', sorts: { popular: 'الأكثر تفضيلًا', cheap: 'السعر: من الأقل', dear: 'السعر: من الأعلى' },
  count: (n) => `عدد المنتجات: ${n}`, stars: (n) => `${n} من 5 نجوم`, reviews: (n) => `عدد الآراء: ${n}`,
  add: 'أضف إلى السلة', added: 'في سلتك', addNamed: (name) => `أضف ${name} إلى السلة`,
  inStock: 'متوفر، يصلك خلال يومين إلى أربعة', details: 'التفاصيل', made: 'الصانع', line: 'السلسلة', number: 'رقم المنتج',
  care: ['إرجاع مجاني خلال ٦٠ يومًا', 'قطع غيار وإصلاح', 'دفع آمن'], beside: 'يتناسب معه',
  results: (query) => `نتائج «${query}»`, noResults: 'لا شيء بهذا الاسم. جرّب غلاية أو خيمة أو روبوت.', askSearch: 'عمّ تبحث؟',
  cartTitle: 'سلتك', empty: 'لا شيء فيها بعد.', quantity: 'الكمية', remove: 'إزالة',
  removeNamed: (name) => `إزالة ${name}`, summary: 'الملخص', subtotal: 'المجموع الفرعي', shipping: 'الشحن', free: 'مجاني', total: 'الإجمالي مع الضريبة',
  toFree: (money) => `بقي ${money} للشحن المجاني`, isFree: 'الشحن علينا', checkout: 'إتمام الشراء', goOn: 'تابع التصفح',
  checkoutTitle: 'إتمام الشراء', delivery: 'التوصيل', name: 'الاسم', email: 'البريد الإلكتروني', address: 'الشارع والرقم', city: 'المدينة', postcode: 'الرمز البريدي',
  payment: 'الدفع', card: 'بطاقة', invoice: 'فاتورة، ٣٠ يومًا', order: 'أرسل الطلب', demo: 'هذا عرض توضيحي: لا شيء يُباع ولا شيء يُخصم.',
  thanks: 'شكرًا لك', thanksText: (order) => `طلبك ${order} في الطريق، ولا شيء آخر مطلوب منك.`,
  accountTitle: 'حسابك', accountText: 'سجّل الدخول لتجد سلتك على كل جهاز.', login: 'تسجيل الدخول', logout: 'تسجيل الخروج',
  hello: (name) => `مرحبًا، ${name}`, loggedIn: 'أنت مسجّل الدخول.', orders: 'طلباتك', noOrders: 'لا طلبات بعد.',
  notFound: 'نفدت هذه الصفحة', notFoundText: 'الصفحة التي طلبتها لم تعد هنا.',
  about: 'متجر غير موجود، يعرض Concierge أثناء عمله.', other: { plain: 'المتجر نفسه بـ React', react: 'المتجر نفسه بـ HTML' },
  help: ['الشحن والإرجاع', 'الإصلاح', 'اتصل بنا'], shop: 'المتجر', service: 'الخدمة', editions: 'النسخ',
}

export const TEXTS = { en, sv, ar }

/** Where things can be sent, with the names of the places in each language. */
export const PLACES = [
  { city: 'Malmö', country: 'SE', names: { ar: 'مالمو' } },
  { city: 'Stockholm', country: 'SE', names: { ar: 'ستوكهولم' } },
  { city: 'London', country: 'GB', names: { ar: 'لندن' } },
  { city: 'Dubai', country: 'AE', names: { ar: 'دبي' } },
]

/** Cents as money in a language. */
export const money = (cents, locale) =>
  new Intl.NumberFormat(TEXTS[locale].format, { style: 'currency', currency: 'EUR' }).format(cents / 100)
