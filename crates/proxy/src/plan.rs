//! What is to be done to a page, by what was decided for it.
//!
//! Declared changes and marked fields are what the browser's client makes of the same decisions
//! (`packages/sdk-browser/src/changes.ts`, `slots.ts`), which finds them made. What cannot be done while a page
//! streams through is left to it: moves, selectors that look ahead, and fallbacks, since only a whole page tells that a
//! selector finds nothing.

use decision::changes::{What, Where, is_safe_address};
use model::{Value, value::Object};
use serde::{Deserialize, de::IgnoredAny};

use crate::{
    escape,
    sanitise::{is_safe_attribute, sanitise},
    selector::Selector,
};

/// Most edits of one page. Each selector is held against each element.
const EDITS_MAX: usize = 1_000;
/// Attributes that a field can be for.
const FIELD_ATTRIBUTES: [&str; 4] = ["href", "src", "alt", "title"];
/// What a component looks like where nobody can close it: a part of the page, without what only scripts do.
const STILL: &str = "@media not print{\
    [data-concierge-component]{display:block!important;position:static!important}\
    [data-concierge-component] [data-do],[data-concierge-component] time{display:none!important}\
    [data-concierge-component]:has([data-step]){display:none!important}}";

/// What was decided for a page.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    pub(crate) edits: Vec<(Selector, Edit)>,
    /// Where the visitor is led instead.
    pub(crate) redirect: Option<String>,
    /// The decisions for the browser's client, as a script that runs nothing.
    pub(crate) inlined: String,
}

/// Something done to an element, with texts as they are written into a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Edit {
    Content(Content),
    Attribute {
        name: String,
        value: Option<String>,
    },
    Class {
        add: Vec<String>,
        remove: Vec<String>,
    },
    /// Declarations, the last of a style.
    Style(String),
    Image {
        src: String,
        alt: Option<String>,
    },
    Insert {
        side: Where,
        html: String,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    Text(String),
    Markup(String),
}

impl Edit {
    /// What of an element only the first change may change; nothing where several get on with each other.
    pub(crate) fn claims(&self) -> Option<&str> {
        match self {
            Self::Content(_) => Some("content"),
            Self::Attribute { name, .. } => Some(name),
            Self::Image { .. } => Some("src"),
            Self::Class { .. } | Self::Style(_) | Self::Insert { .. } => None,
        }
    }
}

#[derive(Debug, Deserialize)]
struct Answer {
    decisions: Vec<Decision>,
}

#[derive(Debug, Deserialize)]
struct Decision {
    placement: String,
    content: Option<Object>,
    /// What the visitor has to do first. The browser's client waits for it, and a visitor without one waits in vain.
    trigger: Option<IgnoredAny>,
}

impl Plan {
    /// Reads the answer of a server; none where it is no answer.
    pub(crate) fn read(answer: &str) -> Option<Self> {
        let Answer { decisions } = serde_json::from_str(answer).ok()?;
        let mut plan = Self::default();
        let mut is_whole = true;
        for Decision { placement, content, trigger } in &decisions {
            let Some(content) = content.as_ref().filter(|_| trigger.is_none()) else { continue };
            let address = content.get("redirect").and_then(Value::as_str);
            let address = address.filter(|address| is_safe_address(address));
            plan.redirect = plan.redirect.or(address.map(ToOwned::to_owned));
            let changes = content.get("changes").and_then(Value::as_array).into_iter().flatten();
            for change in changes {
                let edit = declared(change);
                is_whole &=
                    is_unseen(change) || edit.is_some() && change.get("fallbacks").is_none();
                plan.edits.extend(edit);
            }
            plan.edits.extend(content.iter().flat_map(|field| filled(placement, field)));
        }
        plan.edits.truncate(EDITS_MAX);
        plan.inlined = inlined(answer, is_whole);
        Some(plan)
    }
}

/// The decisions for the client. Where all that was there before is made as the page goes by, it says so, since the tag
/// then has no reason to hide anything.
fn inlined(answer: &str, is_whole: bool) -> String {
    let (json, made) = (escape::json(answer), if is_whole { " data-made" } else { "" });
    format!(r#"<script type="application/json" id="concierge-decisions"{made}>{json}</script>"#)
}

/// Whether nobody sees the page without a change as another: what is inserted was not there before.
fn is_unseen(change: &Value) -> bool {
    change.get("kind").and_then(Value::as_str) == Some("insert")
}

/// A change as content declares it; none where it is left to the browser.
fn declared(change: &Value) -> Option<(Selector, Edit)> {
    let mut what = change.as_object()?.clone();
    let selector = what.remove("selector")?;
    what.remove("fallbacks");
    let css = what.remove("css");
    let css = css.as_ref().map(|css| css.as_str().filter(|css| !css.contains('<')));
    let edit = edit(What::deserialize(Value::Object(what)).ok()?)?;
    let edit = if let Some(css) = css { styled(edit, css?)? } else { edit };
    Some((Selector::parse(selector.as_str()?)?, edit))
}

/// A component: markup with the style sheet that it needs. What is inserted is for visitors without JavaScript alone.
fn styled(edit: Edit, css: &str) -> Option<Edit> {
    Some(match edit {
        Edit::Insert { side, html } => {
            Edit::Insert { side, html: format!("<style>{css}{STILL}</style>{html}") }
        }
        Edit::Content(Content::Markup(html)) => Edit::Content(Content::Markup(format!(
            "<style>{css}</style><noscript><style>{STILL}</style></noscript>{html}"
        ))),
        _ => return None,
    })
}

fn edit(what: What) -> Option<Edit> {
    Some(match what {
        What::Text { value } => Edit::Content(Content::Text(escape::html(&value))),
        What::Html { html } => Edit::Content(Content::Markup(sanitise(&html))),
        What::Attribute { name, value } => attribute(&name, value.as_deref())?,
        What::Class { add, remove } => Edit::Class { add, remove },
        What::Style { value } => {
            let mut declarations = String::new();
            for (name, value) in value.iter().filter(|(_, value)| is_whole_value(value)) {
                declarations.push_str(&escape::html(&format!("{name}:{value}!important;")));
            }
            Edit::Style(declarations)
        }
        What::Image { src, alt } => image(&src, alt.as_deref())?,
        What::Insert { r#where: side, html } => Edit::Insert { side, html: sanitise(&html) },
        What::Hide {} => Edit::Style("display:none!important;".to_owned()),
        What::Move { .. } => return None,
    })
}

fn attribute(name: &str, value: Option<&str>) -> Option<Edit> {
    let is_safe = is_safe_attribute(name, value.unwrap_or_default());
    let (name, value) = (name.to_ascii_lowercase(), value.map(escape::html));
    is_safe.then_some(Edit::Attribute { name, value })
}

fn image(src: &str, alt: Option<&str>) -> Option<Edit> {
    let edit = Edit::Image { src: escape::html(src), alt: alt.map(escape::html) };
    is_safe_address(src).then_some(edit)
}

/// Whether a value is one, and not the end of its declaration. Those that quote such ends are left to the browser,
/// which sets each property by itself.
fn is_whole_value(value: &str) -> bool {
    let count = |letter: char| value.matches(letter).count();
    !value.contains([';', '{', '}', '!', '\\', '\n'])
        && !value.contains("/*")
        && count('(') == count(')')
        && count('"') % 2 == 0
        && count('\'') % 2 == 0
}

/// The edits that fill a field of a content into what is marked for it.
fn filled(placement: &str, (field, value): (&String, &Value)) -> Vec<(Selector, Edit)> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => return Vec::new(),
    };
    if field.is_empty() || !field.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
        return Vec::new();
    }
    let slot = format!("[data-concierge=\"{placement}\"]");
    let marked = |mark: &str| format!("{slot} [data-field{mark}=\"{field}\"]");
    let content = |content| Some(Edit::Content(content));
    let mut edits = vec![
        (format!("{}:not(img)", marked("")), content(Content::Text(escape::html(&text)))),
        (format!("{slot} img[data-field=\"{field}\"]"), image(&text, None)),
        (marked("-html"), content(Content::Markup(sanitise(&text)))),
    ];
    let attributes = FIELD_ATTRIBUTES.into_iter();
    edits
        .extend(attributes.map(|name| (marked(&format!("-{name}")), attribute(name, Some(&text)))));
    let sound = |(selector, edit): (String, Option<_>)| Some((Selector::parse(&selector)?, edit?));
    edits.into_iter().filter_map(sound).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn edits(content: Value) -> Vec<Edit> {
        let answer = json!({"decisions": [
            {"placement": "home", "content": null},
            {"placement": "home", "content": content},
        ]});
        Plan::read(&answer.to_string()).unwrap().edits.into_iter().map(|(_, edit)| edit).collect()
    }

    #[test]
    fn what_a_stream_cannot_have_is_left_to_the_browser() {
        let changes = json!([
            {"kind": "move", "selector": "a", "where": "before", "target": "b"},
            {"kind": "text", "selector": "a:hover", "fallbacks": ["b"], "value": "x"},
            {"kind": "later", "selector": "a"},
            {"kind": "attribute", "selector": "a", "name": "onclick", "value": "x"},
            {"kind": "attribute", "selector": "a", "name": "href", "value": "javascript:x"},
            {"kind": "image", "selector": "a", "src": "data:x"},
            "a",
        ]);
        assert_eq!(edits(json!({"changes": changes})), []);
    }

    #[test]
    fn what_waits_for_the_visitor_is_left_to_the_browser() {
        let decided = |trigger: Value| {
            let content = json!({"title": "Chosen", "redirect": "/b", "changes": [
                {"kind": "text", "selector": "h1", "value": "Chosen"},
            ]});
            let decision = json!({"placement": "a", "content": content, "trigger": trigger});
            Plan::read(&json!({ "decisions": [decision] }).to_string()).unwrap()
        };
        let waiting = decided(json!({"on": "exit"}));
        assert!(waiting.edits.is_empty() && waiting.redirect.is_none());
        assert!(waiting.inlined.contains("exit"), "the client is told of it");
        assert!(!decided(Value::Null).edits.is_empty());
    }

    #[test]
    fn a_component_brings_its_style_sheet() {
        let component = |kind: &str, css: Value| {
            let html = "<dialog data-concierge-component=\"popup\"><p hidden>x</p></dialog>";
            json!({"changes": [
                {"kind": kind, "selector": "body", "where": "end", "css": css, "html": html},
            ]})
        };
        let [Edit::Insert { html, .. }] = &edits(component("insert", json!("p{top:0}")))[..] else {
            panic!("it is inserted");
        };
        let shown = r#"<dialog data-concierge-component="popup"><p hidden="">x</p></dialog>"#;
        assert!(html.starts_with("<style>p{top:0}@media") && html.ends_with(shown), "{html}");
        for bad in [json!("</style><script>"), json!(1)] {
            assert_eq!(edits(component("insert", bad)), []);
        }
        assert_eq!(edits(component("text", json!("p{top:0}"))), []);
    }

    #[test]
    fn the_tag_is_told_where_it_has_nothing_to_hide() {
        let is_told = |change: Value| {
            let content = json!({"title": "Chosen", "changes": [change]});
            let answer = json!({"decisions": [{"placement": "a", "content": content}]});
            Plan::read(&answer.to_string()).unwrap().inlined.contains(" data-made>")
        };
        let text = |selector: &str| json!({"kind": "text", "selector": selector, "value": "x"});
        assert!(is_told(text("h1")));
        assert!(is_told(
            json!({"kind": "insert", "selector": "a:hover", "where": "end", "html": "x"})
        ));
        assert!(!is_told(text("a:hover")), "it is left to the browser");
        assert!(!is_told(json!({"kind": "hide", "selector": "h1", "fallbacks": ["h2"]})));
        assert!(!is_told(
            json!({"kind": "move", "selector": "h1", "where": "before", "target": "h2"})
        ));
    }

    #[test]
    fn declarations_stay_their_own() {
        let style = |value: &str| {
            edits(
                json!({"changes": [{"kind": "style", "selector": "a", "value": {"color": value}}]}),
            )
        };
        assert_eq!(style("red"), [Edit::Style("color:red!important;".to_owned())]);
        for bad in ["red;top:0", "red}", "url(x", "'", "a!b", "/*"] {
            assert_eq!(style(bad), [Edit::Style(String::new())], "{bad}");
        }
    }

    #[test]
    fn fields_are_filled_in_with_texts_and_numbers() {
        let told = edits(json!({"price": 5, "on": true, "a b": "x"}));
        assert_eq!(told.len(), 7);
        assert_eq!(told[0], Edit::Content(Content::Text("5".to_owned())));
        assert_eq!(edits(json!({"link": "javascript:x"})).len(), 4);
    }

    #[test]
    fn only_an_answer_is_read() {
        assert!(Plan::read("{}").is_none() && Plan::read("<html>").is_none());
        let plan = Plan::read(
            r#"{"decisions": [{"placement": "a", "content": {"redirect": "/</script>"}}]}"#,
        );
        let plan = plan.unwrap();
        assert_eq!(plan.redirect.as_deref(), Some("/</script>"));
        assert!(plan.inlined.contains(r"/\u003c/script\u003e"));
    }
}
