// What the banner says, in the languages it knows. They promise nothing that only the site can know, such as whom data
// is shared with; a site that has more to say writes its own.

/** The name of a purpose, and in one sentence what data is used for under it. */
export interface PurposeText {
  name: string
  description: string
}

export interface Texts {
  title: string
  text: string
  accept: string
  refuse: string
  choose: string
  /** The title of the preference centre. */
  settings: string
  save: string
  close: string
  /** The name of the link to the site's policy. */
  policy: string
  /** Why a purpose cannot be agreed to: the browser says no for its user. */
  signal: string
  purposes: Record<string, PurposeText>
}

/** A language's texts in their order, and then those of the four purposes that every workspace has. */
const TEXTS: Record<string, string[]> = {
  en: [
    'Your privacy', 'We use data about your visit as far as you agree. You can change your mind at any time.',
    'Accept all', 'Refuse all', 'Choose', 'Privacy settings', 'Save choices', 'Close', 'Privacy policy',
    'Your browser asks sites not to do this.',
    'Statistics', 'To see how the site is used, and improve it.',
    'Personalisation', 'To show you what fits you, going by what you do here.',
    'Messages', 'To choose what we write to you.',
    'Advertising', 'To choose and measure advertising.',
  ],
  sv: [
    'Din integritet', 'Vi använder uppgifter om ditt besök så långt du samtycker. Du kan ändra dig när som helst.',
    'Godkänn alla', 'Avvisa alla', 'Välj', 'Integritetsinställningar', 'Spara val', 'Stäng', 'Integritetspolicy',
    'Din webbläsare ber webbplatser att låta bli.',
    'Statistik', 'För att se hur webbplatsen används och förbättra den.',
    'Personanpassning', 'För att visa sådant som passar dig, utifrån vad du gör här.',
    'Meddelanden', 'För att välja vad vi skriver till dig.',
    'Annonsering', 'För att välja och mäta annonser.',
  ],
  de: [
    'Ihre Privatsphäre',
    'Wir nutzen Daten über Ihren Besuch, soweit Sie zustimmen. Sie können das jederzeit ändern.',
    'Alle akzeptieren', 'Alle ablehnen', 'Auswählen', 'Datenschutz-Einstellungen', 'Auswahl speichern', 'Schließen',
    'Datenschutzerklärung', 'Ihr Browser bittet Websites, dies nicht zu tun.',
    'Statistik', 'Um zu sehen, wie die Website genutzt wird, und sie zu verbessern.',
    'Personalisierung', 'Um Ihnen zu zeigen, was zu Ihnen passt, anhand dessen, was Sie hier tun.',
    'Nachrichten', 'Um auszuwählen, was wir Ihnen schreiben.',
    'Werbung', 'Um Werbung auszuwählen und zu messen.',
  ],
  fr: [
    'Votre vie privée',
    'Nous utilisons des données sur votre visite dans la mesure où vous y consentez. Vous pouvez changer d’avis à tout moment.',
    'Tout accepter', 'Tout refuser', 'Choisir', 'Paramètres de confidentialité', 'Enregistrer mes choix', 'Fermer',
    'Politique de confidentialité', 'Votre navigateur demande aux sites de ne pas le faire.',
    'Statistiques', 'Pour savoir comment le site est utilisé et l’améliorer.',
    'Personnalisation', 'Pour vous montrer ce qui vous convient, d’après ce que vous faites ici.',
    'Messages', 'Pour choisir ce que nous vous écrivons.',
    'Publicité', 'Pour choisir la publicité et la mesurer.',
  ],
  es: [
    'Su privacidad',
    'Usamos datos sobre su visita en la medida en que usted lo acepte. Puede cambiar de opinión en cualquier momento.',
    'Aceptar todo', 'Rechazar todo', 'Elegir', 'Configuración de privacidad', 'Guardar selección', 'Cerrar',
    'Política de privacidad', 'Su navegador pide a los sitios que no lo hagan.',
    'Estadísticas', 'Para ver cómo se usa el sitio y mejorarlo.',
    'Personalización', 'Para mostrarle lo que le conviene, según lo que hace aquí.',
    'Mensajes', 'Para elegir lo que le escribimos.',
    'Publicidad', 'Para elegir la publicidad y medirla.',
  ],
  ar: [
    'خصوصيتك', 'نستخدم بيانات عن زيارتك بقدر ما توافق عليه. يمكنك تغيير رأيك في أي وقت.',
    'قبول الكل', 'رفض الكل', 'اختيار', 'إعدادات الخصوصية', 'حفظ الاختيارات', 'إغلاق', 'سياسة الخصوصية',
    'يطلب متصفحك من المواقع ألا تفعل ذلك.',
    'الإحصاءات', 'لمعرفة كيفية استخدام الموقع وتحسينه.',
    'التخصيص', 'لعرض ما يناسبك بناءً على ما تفعله هنا.',
    'الرسائل', 'لاختيار ما نكتبه إليك.',
    'الإعلانات', 'لاختيار الإعلانات وقياسها.',
  ],
}
const NAMES = [
  'title', 'text', 'accept', 'refuse', 'choose', 'settings', 'save', 'close', 'policy', 'signal',
] as const
const PURPOSES = ['analytics', 'personalization', 'marketing', 'advertising']

/** Texts that a site has in place of these, by language. */
export type OwnTexts = Record<string, Partial<Texts>>

/** The texts in the first of these languages that there are texts in, and which one that is. */
export function textsIn(languages: readonly string[], own: OwnTexts): Texts & { language: string } {
  const known = languages.map(base).find((language) => own[language] ?? TEXTS[language])
  const language = known ?? 'en'
  const built = TEXTS[language] ?? TEXTS.en!
  const named = Object.fromEntries(NAMES.map((name, at) => [name, built[at]])) as unknown as Texts
  const purposes = Object.fromEntries(PURPOSES.map((key, at) => {
    const [name, description] = built.slice(NAMES.length + 2 * at)
    return [key, { name: name!, description: description! }]
  }))
  const theirs = own[language]
  return { ...named, ...theirs, purposes: { ...purposes, ...theirs?.purposes }, language }
}

/** A language without its region or script: `sv` of `sv-SE`. */
const base = (language: string): string => language.toLowerCase().split(/[-_]/)[0]!

/** Languages that are written from right to left. */
export const isRightToLeft = (language: string): boolean => /^(ar|fa|he|ur)$/.test(language)
