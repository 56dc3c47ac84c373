//! What kinds of elements are there, and where do they end when nobody says so?
//!
//! The rules of the HTML standard (13.2.6), as far as they say which elements are open.

const VOID: [&[u8]; 14] = [
    b"area", b"base", b"br", b"col", b"embed", b"hr", b"img", b"input", b"link", b"meta", b"param",
    b"source", b"track", b"wbr",
];
/// What ends a paragraph by beginning.
const ENDS_PARAGRAPH: [&[u8]; 43] = [
    b"address",
    b"article",
    b"aside",
    b"blockquote",
    b"center",
    b"dd",
    b"details",
    b"dialog",
    b"dir",
    b"div",
    b"dl",
    b"dt",
    b"fieldset",
    b"figcaption",
    b"figure",
    b"footer",
    b"form",
    b"h1",
    b"h2",
    b"h3",
    b"h4",
    b"h5",
    b"h6",
    b"header",
    b"hgroup",
    b"hr",
    b"li",
    b"listing",
    b"main",
    b"menu",
    b"nav",
    b"ol",
    b"p",
    b"plaintext",
    b"pre",
    b"search",
    b"section",
    b"summary",
    b"table",
    b"ul",
    b"xmp",
    b"body",
    b"frameset",
];
/// Elements within which an end tag ends nothing that is around them.
const SCOPES: [&[u8]; 9] =
    [b"applet", b"caption", b"html", b"marquee", b"object", b"table", b"td", b"template", b"th"];
const TABLE: [&[u8]; 9] =
    [b"caption", b"colgroup", b"table", b"tbody", b"td", b"tfoot", b"th", b"thead", b"tr"];
/// Elements that an end tag of a part of a text does not reach through.
const BLOCKS: [&[u8]; 32] = [
    b"article",
    b"aside",
    b"blockquote",
    b"body",
    b"button",
    b"details",
    b"div",
    b"dl",
    b"dd",
    b"dt",
    b"fieldset",
    b"figure",
    b"footer",
    b"form",
    b"h1",
    b"h2",
    b"h3",
    b"h4",
    b"h5",
    b"h6",
    b"header",
    b"li",
    b"main",
    b"nav",
    b"ol",
    b"p",
    b"pre",
    b"section",
    b"select",
    b"summary",
    b"ul",
    b"noscript",
];
/// Elements of HTML, which end SVG and MathML where they are found within.
const BREAKS_OUT: [&[u8]; 36] = [
    b"b",
    b"blockquote",
    b"body",
    b"br",
    b"center",
    b"code",
    b"dd",
    b"div",
    b"dl",
    b"dt",
    b"em",
    b"embed",
    b"h1",
    b"h2",
    b"h3",
    b"h4",
    b"h5",
    b"h6",
    b"head",
    b"hr",
    b"i",
    b"img",
    b"li",
    b"menu",
    b"meta",
    b"ol",
    b"p",
    b"pre",
    b"ruby",
    b"s",
    b"span",
    b"strong",
    b"table",
    b"u",
    b"ul",
    b"var",
];
/// Elements of SVG and MathML that hold HTML.
const INTEGRATES: [&[u8]; 9] =
    [b"annotation-xml", b"desc", b"foreignobject", b"mi", b"mn", b"mo", b"ms", b"mtext", b"title"];

fn is_of(list: &[&[u8]], name: &[u8]) -> bool {
    list.contains(&name)
}

/// Whether it holds nothing and has no end tag.
pub(crate) fn is_void(name: &[u8]) -> bool {
    is_of(&VOID, name)
}

/// Whether it is a part of a table, or one.
pub(crate) fn is_of_table(name: &[u8]) -> bool {
    is_of(&TABLE, name)
}

/// Whether it ends SVG and MathML.
pub(crate) fn breaks_out(name: &[u8]) -> bool {
    is_of(&BREAKS_OUT, name)
}

/// Whether an element of SVG or MathML holds HTML.
pub(crate) fn integrates(name: &[u8]) -> bool {
    is_of(&INTEGRATES, name)
}

/// Whether an open element ends where another begins.
pub(crate) fn ends_by(open: &[u8], begins: &[u8]) -> bool {
    match open {
        b"p" => is_of(&ENDS_PARAGRAPH, begins),
        b"li" => begins == b"li",
        b"dd" | b"dt" => is_of(&[b"dd", b"dt"], begins),
        b"option" => is_of(&[b"optgroup", b"option"], begins),
        b"optgroup" => begins == b"optgroup",
        b"td" | b"th" => is_of(&[b"tbody", b"td", b"tfoot", b"th", b"thead", b"tr"], begins),
        b"tr" => is_of(&[b"tbody", b"tfoot", b"thead", b"tr"], begins),
        b"tbody" | b"tfoot" | b"thead" => is_of(&[b"tbody", b"tfoot", b"thead"], begins),
        b"caption" | b"colgroup" => {
            is_of(&[b"colgroup", b"tbody", b"tfoot", b"thead", b"tr"], begins)
        }
        b"head" => begins == b"body",
        b"a" => begins == b"a",
        b"button" => begins == b"button",
        _ => false,
    }
}

/// Whether an end tag of `ends` is passed over where it would have to reach through an open element.
pub(crate) fn holds_against(open: &[u8], ends: &[u8]) -> bool {
    if is_of_table(ends) {
        return matches!(open, b"html" | b"table" | b"template");
    }
    let is_block = is_of(&BLOCKS, ends) || matches!(ends, b"html" | b"head");
    is_of(&SCOPES, open)
        || (!is_block && is_of(&BLOCKS, open))
        || (ends == b"p" && open == b"button")
}
