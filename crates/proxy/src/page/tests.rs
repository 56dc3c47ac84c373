//! Pages, changed: whatever the pieces in which they come.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::plan::Plan;

/// A page after the changes of a content, the page coming in parts of so many bytes.
fn changed(page: &str, content: &Value, step: usize) -> String {
    let answer = json!({"decisions": [{"placement": "home", "content": content}]});
    let plan = Plan::read(&answer.to_string()).unwrap();
    let mut streamed = Page::new(Arc::new(Changes::new(plan.edits, "[head]".to_owned())));
    let mut out = Vec::new();
    for chunk in page.as_bytes().chunks(step.max(1)) {
        out.extend(streamed.take(chunk));
    }
    out.extend(streamed.end());
    String::from_utf8(out).unwrap()
}

/// The same, without a head.
fn check(page: &str, changes: Value, expected: &str) {
    let content = json!({"changes": changes});
    for step in [1, 5, page.len()] {
        let page = format!("<body>{page}");
        assert_eq!(changed(&page, &content, step), format!("[head]<body>{expected}"), "by {step}");
    }
}

#[test]
fn each_kind_is_made() {
    check(
        "<h1 id=a class='b c'>Old <i>title</i></h1><p>x",
        json!([{"kind": "text", "selector": "#a", "value": "Hej & välkommen"}]),
        "<h1 id=a class='b c'>Hej &amp; v&#xe4;lkommen</h1><p>x",
    );
    check(
        "<div>a<div>b</div>c</div>d",
        json!([{"kind": "html", "selector": "body > div", "html": "<b onclick=x>y</b><script>z</script>"}]),
        "<div><b>y</b></div>d",
    );
    check(
        "<a href=/x target=_blank id=a>a</a>",
        json!([
            {"kind": "attribute", "selector": "a", "name": "href", "value": "/y?a=\"&b"},
            {"kind": "attribute", "selector": "a", "name": "target", "value": null},
        ]),
        "<a id=a href=\"/y?a=&quot;&amp;b\">a</a>",
    );
    check(
        "<p class=\"a b\" style='top: 0'>x</p>",
        json!([
            {"kind": "class", "selector": "p", "add": ["c"], "remove": ["a"]},
            {"kind": "style", "selector": "p", "value": {"color": "red"}},
            {"kind": "hide", "selector": "p"},
        ]),
        "<p class=\"b c\" style=\"top: 0;color:red!important;;display:none!important;\">x</p>",
    );
    check(
        "<img src=a srcset='b 2x' alt=c />",
        json!([{"kind": "image", "selector": "img", "src": "/d.png", "alt": "D"}]),
        "<img alt=\"D\" src=\"/d.png\" />",
    );
}

#[test]
fn what_is_inserted_is_for_whoever_runs_no_scripts() {
    let insert = |place: &str| json!([{"kind": "insert", "selector": "p", "where": place, "html": "<b>y</b>"}]);
    let page = "<p>a</p>b";
    check(page, insert("before"), "<noscript><b>y</b></noscript><p>a</p>b");
    check(page, insert("start"), "<p><noscript><b>y</b></noscript>a</p>b");
    check(page, insert("end"), "<p>a<noscript><b>y</b></noscript></p>b");
    check(page, insert("after"), "<p>a</p><noscript><b>y</b></noscript>b");
    check(
        "<div><p>a<p>b",
        insert("after"),
        "<div><p>a</p><noscript><b>y</b></noscript><p>b</p><noscript><b>y</b></noscript>",
    );
    let row = json!([{"kind": "insert", "selector": "tr", "where": "after", "html": "<b>y</b>"}]);
    check("<table><tr><td>a</table>", row, "<table><tr><td>a</table>");
}

#[test]
fn elements_end_where_browsers_end_them() {
    let text = json!([{"kind": "text", "selector": "#a", "value": "y"}]);
    check("<ul><li id=a>x<li>z</ul>", text.clone(), "<ul><li id=a>y<li>z</ul>");
    check("<p id=a>x<div>z</div>", text.clone(), "<p id=a>y<div>z</div>");
    check(
        "<table><tr><td id=a>x<td>z<tr><td>w</table>",
        text.clone(),
        "<table><tr><td id=a>y<td>z<tr><td>w</table>",
    );
    check("<div><b id=a>x</div>z</b>", text.clone(), "<div><b id=a>y</div>z</b>");
    check("<div id=a><table><tr><td></div>x</table></div>z", text.clone(), "<div id=a>y</div>z");
    check("<div id=a><br><img><svg><path/></svg>x</div>z", text.clone(), "<div id=a>y</div>z");
    // Where it ends nobody knows.
    check("<div id=a>x", text.clone(), "<div id=a>x");
    check("<p><textarea id=a><div></textarea>z", text, "<p><textarea id=a>y</textarea>z");
}

#[test]
fn what_is_no_content_is_not_touched() {
    let text = json!([
        {"kind": "text", "selector": ".a", "value": "y"},
        {"kind": "insert", "selector": ".a", "where": "after", "html": "z"},
    ]);
    for page in [
        "<script class=a>x</script>",
        "<style class=a>x</style>",
        "<!-- <p class=a>x</p> -->",
        "<title><p class=a>x</p></title>",
        "<template><p class=a>x</p></template>",
        "<noscript><p class=a>x</p></noscript>",
        "<svg><path class=a>x</path></svg>",
    ] {
        check(page, text.clone(), page);
    }
}

#[test]
fn of_two_changes_of_one_thing_the_first_holds() {
    let both = json!([
        {"kind": "text", "selector": "p", "value": "y"},
        {"kind": "html", "selector": "#a", "html": "z"},
        {"kind": "text", "selector": "p b", "value": "w"},
    ]);
    check("<p id=a><b>x</b></p>", both, "<p id=a>y</p>");
}

#[test]
fn marked_fields_are_filled_in() {
    let page = "<body><section data-concierge=\"home\"><h1 data-field=\"title\">Old</h1>\
        <a data-field=\"button\" data-field-href=\"link\" href=\"/\">Go</a><img data-field=\"image\" src=a></section>\
        <h1 data-field=\"title\">Other</h1>";
    let content = json!({"title": "New", "button": "See", "link": "/new", "image": "/b.png"});
    let expected = "[head]<body><section data-concierge=\"home\"><h1 data-field=\"title\">New</h1>\
        <a data-field=\"button\" data-field-href=\"link\" href=\"/new\">See</a><img data-field=\"image\" src=\"/b.png\">\
        </section><h1 data-field=\"title\">Other</h1>";
    assert_eq!(changed(page, &content, 7), expected);
}

#[test]
fn the_head_is_completed_after_what_says_the_encoding() {
    let none = json!({});
    for (page, expected) in [
        (
            "<!doctype html><html><head><meta charset=utf-8><title>a</title><script>b</script></head>",
            "<!doctype html><html><head><meta charset=utf-8><title>a</title>[head]<script>b</script></head>",
        ),
        ("<head><title>a</title></head><body>", "<head><title>a</title>[head]</head><body>"),
        ("<title>a</title><p>b", "<title>a</title>[head]<p>b"),
        (
            "<head><noscript><img></noscript></head>",
            "<head><noscript><img></noscript>[head]</head>",
        ),
        ("just text", "just text"),
    ] {
        assert_eq!(changed(page, &none, 3), expected);
    }
}

#[test]
fn what_is_too_much_passes_as_it_is() {
    let content = json!({"changes": [{"kind": "text", "selector": "p", "value": "y"}]});
    let deep = "<div>".repeat(DEPTH_MAX + 1) + "<p>x</p>";
    let long_tag = format!("<div title=\"{}<p>x</p>", "a".repeat(TAG_BYTES_MAX + 1));
    for page in [deep, long_tag] {
        let streamed = changed(&page, &content, 1_000);
        assert_eq!(streamed.strip_prefix("[head]").unwrap_or(&streamed), page);
    }
    let large = format!("<p>{}</p><p>x</p>", "a ".repeat(CONTENT_BYTES_MAX));
    let expected = format!("[head]{}", large.replace("<p>x", "<p>y"));
    assert_eq!(changed(&large, &content, 1_000), expected);
}

#[test]
fn a_page_in_two_bytes_a_letter_passes_as_it_is() {
    let changes = Changes::new(Vec::new(), "[head]".to_owned());
    let mut page = Page::new(Arc::new(changes));
    let text = b"\xff\xfe<\0b\0>\0";
    let mut out: Vec<u8> = text.chunks(1).flat_map(|byte| page.take(byte)).collect();
    out.extend(page.end());
    assert_eq!(out, text);
}

#[test]
fn an_edit_is_made_at_so_many_elements() {
    let content = json!({"changes": [{"kind": "text", "selector": "p", "value": "y"}]});
    let streamed = changed(&"<p>x</p>".repeat(ELEMENTS_MAX + 5), &content, 100);
    assert_eq!(streamed.matches("<p>y</p>").count(), ELEMENTS_MAX);
}

proptest! {
    #[test]
    fn pages_without_changes_pass_as_they_are(page in PAGE, step in 1_usize..20) {
        let streamed = changed(&page, &json!({}), step).replacen("[head]", "", 1);
        prop_assert_eq!(streamed, page);
    }

    #[test]
    fn changes_are_the_same_however_the_page_comes(page in PAGE, step in 1_usize..20) {
        let content = json!({"changes": [
            {"kind": "text", "selector": "p", "value": "y"},
            {"kind": "insert", "selector": "div > b", "where": "after", "html": "z"},
            {"kind": "class", "selector": "li", "add": ["w"]},
        ]});
        prop_assert_eq!(changed(&page, &content, step), changed(&page, &content, page.len()));
    }
}

/// Pages of pieces that matter.
const PAGE: &str = "(<|>|/|</|!|--|p|b|li|div|td|table|svg|script|title|<p>|<b>|</b>|<div>|</div>|<li>|</p>|x|\"|'|=| ){0,60}";
