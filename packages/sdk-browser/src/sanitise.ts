// Markup that a page can be given: nothing in it runs, and nothing in it reaches what the page's own scripts look up.
// It is parsed into a document that is not shown, cut there, and its nodes are used as they are: what is written
// out and read again can come back as something else.

/** Elements that say or show something, and lay it out. What is not here goes with everything in it. */
const ELEMENTS = new RegExp(
  '^([ABIPQSU]|A(RTICLE|SIDE|UDIO)|B(LOCKQUOTE|R|UTTON)|C(APTION|ITE|ODE)|D([DLT]|EL|ETAILS|IALOG|IV)|EM|' +
    'F(IGCAPTION|IGURE|OOTER)|H([1-6R]|EADER)|IMG|INS|LI|MAIN|MARK|NAV|[OU]L|PICTURE|PRE|' +
    'S(ECTION|MALL|OURCE|PAN|TRONG|U[BP]|UMMARY)|T([DHR]|ABLE|BODY|EXTAREA|FOOT|HEAD|IME)|VIDEO)$',
)

/** Attributes, beside `aria-…` and `data-…`. No `id` and `name`: pages look elements up by them, scripts variables. */
const ATTRIBUTES =
  /^(alt|class|colspan|controls|datetime|dir|height|hidden|href|lang|loading|maxlength|media|open|poster|rel|role|rows(pan)?|sizes|src(set)?|target|title|type|width|(aria|data)-[\w-]+)$/i

/** What elements of the page may be given besides. */
const OWN = /^(checked|disabled|id|name|placeholder|tabindex|value)$/i

/** Attributes that name what is loaded or gone to. */
const ADDRESSES = /^(href|poster|src(set)?)$/i

/** Whether an attribute of an element of the page may be given this value. */
export function isSafeAttribute(name: string, value: string): boolean {
  return (ATTRIBUTES.test(name) || OWN.test(name)) && (!ADDRESSES.test(name) || isSafeAddress(value))
}

/** Whether an address leads to the web, to mail or to a telephone, or to somewhere on this site. */
export function isSafeAddress(address: string): boolean {
  // Browsers pass over spaces and control characters in front of and within a scheme.
  const plain = address.replace(/[\u0000-\u0020\u007f-\u00a0]/g, '')
  return /^(https?:|mailto:|tel:)/i.test(plain) || !/^[^/?#]*:/.test(plain)
}

interface Policies {
  createPolicy(name: string, rules: { createHTML(text: string): string }): { createHTML(text: string): string }
}
let policy: { createHTML(text: string): string } | undefined

/** The nodes of a piece of markup, without all that is not allowed. */
export function sanitise(markup: string): Node[] {
  // Where a page demands trusted types, it allows the policy `concierge`.
  const types = (window as { trustedTypes?: Policies }).trustedTypes
  policy ??= types?.createPolicy('concierge', { createHTML: (text) => text })
  const trusted = policy?.createHTML(markup) ?? markup
  const { body } = new DOMParser().parseFromString(trusted, 'text/html')
  for (const element of body.querySelectorAll('*')) {
    // Names are in capitals for elements of HTML alone, so those of SVG and MathML go.
    // Fields of a form can hide what an element can do.
    if (!ELEMENTS.test(element.tagName)) Element.prototype.remove.call(element)
    else for (const { name, value } of [...element.attributes]) {
      if (!ATTRIBUTES.test(name) || !isSafeAttribute(name, value)) element.removeAttribute(name)
    }
  }
  return [...body.childNodes].map((node) => document.importNode(node, true))
}
