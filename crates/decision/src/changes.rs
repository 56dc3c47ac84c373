//! Declared changes of a page: what content's member `changes` may say, and which places a page must have for them.
//!
//! The browser's client makes them, keeps them up and takes them back (`packages/sdk-browser`). Here they are held
//! against what they can be, so that a mistake is found when it is saved and not on somebody's page.

use std::collections::BTreeMap;

use model::{Key, Value, definition::Fault, value::Object};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{component::Component, template};

/// The member of content that has them.
pub(crate) const MEMBER: &str = "changes";
/// The member of content that has the address to which the browser's client leads a visitor on.
pub(crate) const REDIRECT: &str = "redirect";
/// The selector that finds something on every page.
const ANY_PAGE: &str = "html";
/// The same where something lies over the page. The browser's client knows it, since nothing of the page looks other
/// when that comes, however late.
const UNDER: &str = "html:root";
/// Attributes that a page may be given, beside those that begin with `aria-` or `data-`: they say or show
/// something, and
/// the browser's client sets no others.
const ATTRIBUTES: [&str; 34] = [
    "alt",
    "checked",
    "cite",
    "colspan",
    "controls",
    "datetime",
    "dir",
    "disabled",
    "height",
    "hidden",
    "href",
    "hreflang",
    "id",
    "lang",
    "loading",
    "media",
    "name",
    "open",
    "placeholder",
    "poster",
    "rel",
    "role",
    "rowspan",
    "sizes",
    "span",
    "src",
    "srcset",
    "start",
    "tabindex",
    "target",
    "title",
    "type",
    "value",
    "width",
];
/// Most changes of one content.
pub(crate) const MAX_CHANGES: usize = 50;
/// Longest selector, in bytes.
const MAX_SELECTOR_BYTES: usize = 500;
/// Most selectors after the first.
const MAX_FALLBACKS: usize = 5;
/// Most names of one change: classes, or properties of a style.
const MAX_NAMES: usize = 30;

/// Where a page is changed: what the first selector finds that finds anything.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Place {
    /// A CSS selector.
    pub selector: String,
    /// Others, for when the page has changed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fallbacks: Vec<String>,
}

/// What is changed there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum What {
    /// Text in place of what an element holds.
    Text {
        /// The text.
        value: String,
    },
    /// Markup in place of what an element holds.
    Html {
        /// The markup, of which browsers are given what runs nothing.
        html: String,
    },
    /// An attribute.
    Attribute {
        /// Its name.
        name: String,
        /// Its value; `null` takes it away.
        value: Option<String>,
    },
    /// Classes.
    Class {
        /// Those that it gets.
        #[serde(default)]
        add: Vec<String>,
        /// Those that it loses.
        #[serde(default)]
        remove: Vec<String>,
    },
    /// Properties of its style, by name.
    Style {
        /// Their values.
        value: BTreeMap<String, String>,
    },
    /// Another image.
    Image {
        /// Its address.
        src: String,
        /// What it shows, in words; unchanged when absent.
        alt: Option<String>,
    },
    /// The element elsewhere.
    Move {
        /// On which side.
        r#where: Where,
        /// Of the first element that this selector finds.
        target: String,
    },
    /// New markup beside the element or in it.
    Insert {
        /// On which side.
        r#where: Where,
        /// The markup.
        html: String,
    },
    /// Nothing is seen of the element.
    Hide {},
}

/// On which side of an element, or at which end within it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Where {
    /// Beside it, before.
    Before,
    /// Beside it, after.
    After,
    /// Within it, first.
    Start,
    /// Within it, last.
    End,
}

/// The places that a page must have for a content, in its order; those that cannot be read are left out. Where the
/// visitor is led on, or a component lies over the page, any page will do, and every page is one.
pub(crate) fn places(content: &Object, placement: &Key) -> impl Iterator<Item = Place> {
    let place = |selector: &str| Place { selector: selector.to_owned(), fallbacks: Vec::new() };
    let targets = changes(content).filter(|change| kind(change) == "move");
    let targets = targets.filter_map(|change| change.get("target")?.as_str());
    let component = Component::of(content);
    let embedded = component.as_ref().filter(|component| !component.is_over());
    let slot = embedded.map(|_| place(&slot(placement)));
    let under = (component.is_some() && slot.is_none()).then(|| place(UNDER));
    let page = content.contains_key(REDIRECT).then(|| place(ANY_PAGE));
    let own = changes(content).filter_map(|change| Place::deserialize(change).ok());
    own.chain(targets.map(place)).chain(slot).chain(under).chain(page)
}

/// What finds the elements that look other with a content than without it; of a whole page none is meant.
pub(crate) fn altered(content: &Object) -> impl Iterator<Item = String> {
    let seen = changes(content).filter(|change| kind(change) != "insert");
    let places = seen.filter_map(|change| Place::deserialize(change).ok());
    let selectors = places.flat_map(|place| std::iter::once(place.selector).chain(place.fallbacks));
    selectors.filter(|selector| ![ANY_PAGE, "body"].contains(&selector.as_str()))
}

/// What finds the element that is marked for a placement.
pub(crate) fn slot(placement: &Key) -> String {
    format!("[data-concierge=\"{placement}\"]")
}

/// Whether an address leads to the web, to mail or to a telephone, or to somewhere on the same site: pages are given no
/// others.
pub fn is_safe_address(address: &str) -> bool {
    // Browsers pass over spaces and control characters in front of and within a scheme.
    let plain: String =
        address.chars().filter(|c| !matches!(c, '\0'..=' ' | '\u{7f}'..='\u{a0}')).collect();
    let scheme = plain.split(['/', '?', '#']).next().unwrap_or_default();
    scheme.split_once(':').is_none_or(|(name, _)| {
        ["http", "https", "mailto", "tel"].iter().any(|known| name.eq_ignore_ascii_case(known))
    })
}

fn changes(content: &Object) -> impl Iterator<Item = &Value> {
    content.get(MEMBER).and_then(Value::as_array).into_iter().flatten()
}

fn kind(change: &Value) -> &str {
    change.get("kind").and_then(Value::as_str).unwrap_or_default()
}

/// What is wrong with the changes of a content that stands at `pointer`.
pub(crate) fn check(content: &Object, pointer: &str, faults: &mut Vec<Fault>) {
    let Some(changes) = content.get(MEMBER).and_then(Value::as_array) else { return };
    for (place, change) in changes.iter().enumerate().take(MAX_CHANGES) {
        let pointer = format!("{pointer}/{MEMBER}/{place}");
        if let Err(detail) = check_one(change) {
            faults.push(Fault::new(pointer, detail));
        }
    }
}

fn check_one(change: &Value) -> Result<(), String> {
    let mut rest = change.as_object().ok_or("a change is an object")?.clone();
    let place: Object = ["selector", "fallbacks"]
        .into_iter()
        .filter_map(|name| Some((name.to_owned(), rest.remove(name)?)))
        .collect();
    let Place { selector, fallbacks } =
        serde_json::from_value(Value::Object(place)).map_err(|error| error.to_string())?;
    if MAX_FALLBACKS < fallbacks.len() {
        return Err(format!("at most {MAX_FALLBACKS} fallbacks, not {}", fallbacks.len()));
    }
    std::iter::once(&selector).chain(&fallbacks).try_for_each(|one| check_selector(one))?;
    check_what(serde_json::from_value(Value::Object(rest)).map_err(|error| error.to_string())?)
}

fn check_selector(selector: &str) -> Result<(), String> {
    if selector.trim().is_empty() || MAX_SELECTOR_BYTES < selector.len() {
        return Err(format!("a selector has 1 to {MAX_SELECTOR_BYTES} bytes"));
    }
    // Where changes are made is known before anybody is there, since it is hidden until they are decided.
    if template::is_template(selector) {
        return Err("a selector is written out, so it is no template".to_owned());
    }
    if selector.contains(['{', '}', '<', ';']) {
        return Err(format!("`{selector}` is no CSS selector"));
    }
    if !is_closed(selector) {
        return Err(format!("`{selector}` is no CSS selector: a bracket or quote is not closed"));
    }
    let pseudo = selector.split(':').skip(1).map(|rest| {
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '-').unwrap_or(rest.len());
        rest.get(..end).unwrap_or_default()
    });
    match pseudo.into_iter().find(|name| OF_JQUERY.contains(name)) {
        Some(name) => Err(format!("`:{name}` is jQuery's, and browsers do not know it: write CSS")),
        None => Ok(()),
    }
}

/// Pseudo-classes that other tools know and browsers do not.
const OF_JQUERY: [&str; 9] =
    ["contains", "eq", "even", "first", "gt", "last", "lt", "odd", "visible"];

/// Whether each bracket and quote of a selector is closed.
fn is_closed(selector: &str) -> bool {
    let (mut open, mut quote) = (Vec::new(), None);
    let mut signs = selector.chars();
    while let Some(sign) = signs.next() {
        match (quote, sign) {
            (_, '\\') => _ = signs.next(),
            (Some(mark), _) if mark == sign => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(sign),
            (None, '(') => open.push(')'),
            (None, '[') => open.push(']'),
            (None, ')' | ']') if open.pop() != Some(sign) => return false,
            _ => {}
        }
    }
    open.is_empty() && quote.is_none()
}

fn check_what(what: What) -> Result<(), String> {
    match what {
        What::Text { value: _ } | What::Html { html: _ } | What::Hide {} => Ok(()),
        What::Attribute { name, value: _ } => check_attribute(&name),
        What::Class { add, remove } => {
            let names: Vec<_> = add.iter().chain(&remove).collect();
            check_count(names.len())?;
            let is_class = |name: &&String| !name.is_empty() && !name.contains(char::is_whitespace);
            match names.into_iter().find(|name| !is_class(name)) {
                Some(name) => Err(format!("`{name}` is no class")),
                None => Ok(()),
            }
        }
        What::Style { value } => {
            check_count(value.len())?;
            let is_property = |name: &str| {
                !name.is_empty()
                    && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
            };
            let is_whole = |name: &&String| {
                value.keys().any(|part| {
                    part.strip_prefix(name.as_str()).is_some_and(|p| p.starts_with('-'))
                })
            };
            if let Some(name) = value.keys().find(is_whole) {
                return Err(format!("`{name}` stands beside a part of it: name the parts alone"));
            }
            match value.into_iter().find(|(name, value)| !is_property(name) || value.contains('!'))
            {
                Some((name, _)) => Err(format!("`{name}` is no property, or its value has a `!`")),
                None => Ok(()),
            }
        }
        What::Image { src, alt: _ } if src.is_empty() => Err("an image has an address".to_owned()),
        What::Image { .. } => Ok(()),
        What::Move { r#where: _, target } => check_selector(&target),
        What::Insert { r#where: _, html } if html.is_empty() => {
            Err("nothing is inserted".to_owned())
        }
        What::Insert { .. } => Ok(()),
    }
}

fn check_count(count: usize) -> Result<(), String> {
    if (1..=MAX_NAMES).contains(&count) {
        Ok(())
    } else {
        Err(format!("1 to {MAX_NAMES} names, not {count}"))
    }
}

/// What runs or loads scripts is not given to a page as content, and what has a kind of its own not as an attribute.
fn check_attribute(name: &str) -> Result<(), String> {
    let plain = name.to_ascii_lowercase();
    let is_free = |prefix: &str| {
        let rest = plain.strip_prefix(prefix).unwrap_or_default();
        !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
    };
    match plain.as_str() {
        "style" => Err("use the kind `style`".to_owned()),
        "class" => Err("use the kind `class`".to_owned()),
        known if ATTRIBUTES.contains(&known) => Ok(()),
        _ if is_free("aria-") || is_free("data-") => Ok(()),
        _ => Err(format!("attribute `{name}` cannot be set")),
    }
}

/// The paths where a condition over the context may hold, as far as it says so in a simple way; `None` is anywhere. A
/// `*` at the end stands for anything.
pub(crate) fn paths(condition: &Value) -> Option<Vec<String>> {
    let object = condition.as_object()?;
    if let Some(any) = object.get("any").and_then(Value::as_array) {
        let each: Option<Vec<_>> = any.iter().map(paths).collect();
        return Some(each?.concat());
    }
    if let Some(all) = object.get("all").and_then(Value::as_array) {
        return all.iter().find_map(paths);
    }
    if object.get("context").and_then(Value::as_str) != Some("page.path") {
        return None;
    }
    let value = object.get("value")?;
    let prefix = |text: &str| format!("{text}*");
    match object.get("op")?.as_str()? {
        "eq" => Some(vec![value.as_str()?.to_owned()]),
        "starts_with" => Some(vec![prefix(value.as_str()?)]),
        "in" => value.as_array()?.iter().map(|one| one.as_str().map(ToOwned::to_owned)).collect(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use serde_json::json;

    use super::*;

    fn check(changes: Value, expected: Expect) {
        let content = json!({ "changes": changes });
        let mut faults = Vec::new();
        super::check(content.as_object().unwrap(), "/variants/0/content", &mut faults);
        let lines: String =
            faults.iter().map(|f| format!("{}: {}\n", f.pointer, f.detail)).collect();
        expected.assert_eq(&lines);
    }

    #[test]
    fn every_kind_is_taken() {
        check(
            json!([
                {"kind": "text", "selector": "h1", "fallbacks": ["[data-title]"], "value": "Hej {{ profile.id }}"},
                {"kind": "html", "selector": "h1", "html": "<b>Hej</b>"},
                {"kind": "attribute", "selector": "a", "name": "href", "value": "/sale"},
                {"kind": "attribute", "selector": "a", "name": "hidden", "value": null},
                {"kind": "class", "selector": "a", "add": ["warm"], "remove": ["cold"]},
                {"kind": "style", "selector": "a", "value": {"color": "red", "--gap": "1rem"}},
                {"kind": "image", "selector": "img", "src": "/a.jpg", "alt": "A"},
                {"kind": "move", "selector": "#a", "where": "before", "target": "#b"},
                {"kind": "insert", "selector": "#a", "where": "end", "html": "<p>More</p>"},
                {"kind": "hide", "selector": "#a"},
            ]),
            expect![[""]],
        );
    }

    #[test]
    fn what_cannot_be_made_is_refused_by_its_place() {
        check(
            json!([
                "h1",
                {"kind": "text", "value": "a"},
                {"kind": "text", "selector": " ", "value": "a"},
                {"kind": "text", "selector": "#{{ profile.id }}", "value": "a"},
                {"kind": "text", "selector": "h1{}*", "value": "a"},
                {"kind": "hide", "selector": "h1", "value": "a"},
                {"kind": "attribute", "selector": "a", "name": "onClick", "value": "a"},
                {"kind": "attribute", "selector": "a", "name": "style", "value": "a"},
                {"kind": "class", "selector": "a"},
                {"kind": "class", "selector": "a", "add": ["a b"]},
                {"kind": "style", "selector": "a", "value": {"color;": "red"}},
                {"kind": "style", "selector": "a", "value": {"background": "red", "background-color": "blue"}},
                {"kind": "attribute", "selector": "a", "name": "x-init", "value": "a"},
                {"kind": "move", "selector": "a", "where": "above", "target": "b"},
            ]),
            expect![[r#"
                /variants/0/content/changes/0: a change is an object
                /variants/0/content/changes/1: missing field `selector`
                /variants/0/content/changes/2: a selector has 1 to 500 bytes
                /variants/0/content/changes/3: a selector is written out, so it is no template
                /variants/0/content/changes/4: `h1{}*` is no CSS selector
                /variants/0/content/changes/5: unknown field `value`, there are no fields
                /variants/0/content/changes/6: attribute `onClick` cannot be set
                /variants/0/content/changes/7: use the kind `style`
                /variants/0/content/changes/8: 1 to 30 names, not 0
                /variants/0/content/changes/9: `a b` is no class
                /variants/0/content/changes/10: `color;` is no property, or its value has a `!`
                /variants/0/content/changes/11: `background` stands beside a part of it: name the parts alone
                /variants/0/content/changes/12: attribute `x-init` cannot be set
                /variants/0/content/changes/13: unknown variant `above`, expected one of `before`, `after`, `start`, `end`
            "#]],
        );
    }

    #[test]
    fn a_page_must_have_what_is_moved_and_where_to() {
        let content = json!({"redirect": "/b", "changes": [
            {"kind": "move", "selector": "#a", "where": "before", "target": "#b"},
            {"kind": "insert", "selector": "#c", "where": "end", "html": "<b>x</b>"},
            {"kind": "class", "selector": "body", "add": ["x"]},
            {"kind": "text"},
        ]});
        let content = content.as_object().unwrap();
        let places: Vec<_> =
            places(content, &"shop".parse().unwrap()).map(|place| place.selector).collect();
        assert_eq!(places, ["#a", "#c", "body", "#b", "html"]);
        assert_eq!(altered(content).collect::<Vec<_>>(), ["#a"]);
    }

    #[test]
    fn a_simple_condition_says_on_which_paths_it_may_hold() {
        let home = json!({"context": "page.path", "op": "eq", "value": "/"});
        let shop = json!({"context": "page.path", "op": "starts_with", "value": "/shop/"});
        let some = json!({"context": "page.path", "op": "in", "value": ["/a", "/b"]});
        let mobile = json!({"context": "device.type", "op": "eq", "value": "mobile"});
        let told = |condition: Value| paths(&condition).map_or("anywhere".into(), |p| p.join(" "));
        assert_eq!(told(home.clone()), "/");
        assert_eq!(told(json!({"any": [home, shop, some]})), "/ /shop/* /a /b");
        assert_eq!(told(json!({"all": [mobile, shop]})), "/shop/*");
        assert_eq!(told(json!({"any": [mobile, shop]})), "anywhere");
        assert_eq!(told(json!({"not": shop})), "anywhere");
        assert_eq!(told(mobile), "anywhere");
    }
}
