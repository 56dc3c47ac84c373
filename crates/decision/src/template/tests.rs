//! What templates become, and that no text breaks them.

use expect_test::{Expect, expect};
use model::{LazyObject, value::Object};
use proptest::prelude::*;
use serde_json::json;

use super::*;

mod fuzz;

fn context() -> LazyObject {
    let context = json!({
        "n": 7, "zero": 0, "price": 19.5, "big": i64::MAX, "name": "Ada Lovelace", "html": "<a href=\"x\">&'",
        "list": ["a", "b", {"deep": true}], "page": {"title": "Start", "none": null},
        "when": "2026-11-21T13:30:00+01:00", "day": "2026-11-21", "yes": true, "huge": 1e300,
    });
    context.as_object().unwrap().clone().into()
}

fn render(text: &str, escape: Escape) -> Result<String, TemplateError> {
    let context = context();
    let profile = || json!({"first_name": "Åsa", "tags": ["x"]}).as_object().unwrap().clone();
    let scope = Scope::new(&context, Some(&profile));
    Template::parse(text)?.render(&scope, escape, &mut MAX_OUTPUT_BYTES.clone())
}

fn check(text: &str, expected: Expect) {
    let rendered = render(text, Escape::Nothing);
    expected.assert_eq(&rendered.unwrap_or_else(|error| format!("error: {error}")));
}

#[test]
fn variables_descend_and_what_is_missing_is_empty() {
    check("{{ profile.first_name }}, {{ context.page.title }}", expect!["Åsa, Start"]);
    check(
        "[{{ profile.nothing.at.all }}][{{ context.page.none }}][{{ context.n.x }}]",
        expect!["[][][]"],
    );
    check("{{ context.list[1] }}{{ context.list[-3] }}{{ context.list.first }}", expect!["baa"]);
    check(
        "{{ context.list[2].deep }} {{ context.list.size }} {{ context.list[9] }}",
        expect!["true 3 "],
    );
    check("{{ context['page'].title }}", expect!["Start"]);
    check("{{ secrets.key }}", expect![""]);
}

#[test]
fn blocks_choose() {
    check(
        "{% if context.n > 5 %}many{% elsif context.n == 5 %}five{% else %}few{% endif %}",
        expect!["many"],
    );
    check("{% if profile.nothing %}yes{% else %}no{% endif %}", expect!["no"]);
    check("{% if profile.nothing contains 'x' %}yes{% else %}no{% endif %}", expect!["no"]);
    check("{% if profile.tags contains 'x' %}yes{% endif %}", expect!["yes"]);
    check("{% unless context.yes %}a{% else %}b{% endunless %}", expect!["b"]);
    check(
        "{% case context.page.title %}{% when 'Start' %}home{% else %}other{% endcase %}",
        expect!["home"],
    );
    check("{% comment %}x{% endcomment %}{% raw %}{{ y }}{% endraw %}", expect!["{{ y }}"]);
    check("{%- if context.yes -%}  tight  {%- endif -%}", expect!["tight"]);
}

#[test]
fn nothing_loops_assigns_or_includes() {
    for text in [
        "{% for x in context.list %}{% endfor %}",
        "{% assign x = 1 %}",
        "{% capture x %}{% endcapture %}",
        "{% include 'x' %}",
        "{% render 'x' %}",
        "{% tablerow x in context.list %}{% endtablerow %}",
        "{% increment x %}",
        "{{ (1..9) | join }}",
        "{{ context.n | sort }}",
        "{{ context.n | upcase: 1 }}",
        "{{ context.n | append }}",
        "{% if %}",
        "{% if context.n %}",
        "{{ context.n",
        "{{ 9999999999999999999 }}",
    ] {
        assert!(
            matches!(
                Template::parse(text),
                Err(TemplateError::Syntax(_) | TemplateError::LongNumber)
            ),
            "{text}"
        );
    }
    let unknown = Template::parse("{{ context.n | nope }}").unwrap_err().to_string();
    assert!(unknown.contains("filter=nope") && unknown.contains("upcase"), "{unknown}");
}

#[test]
fn text_filters() {
    check(
        "{{ context.name | upcase }} {{ context.name | downcase }}",
        expect!["ADA LOVELACE ada lovelace"],
    );
    check("{{ 'élan' | capitalize }}{{ nothing | capitalize }}", expect!["Élan"]);
    check("{{ 'a' | append: 'b' | prepend: 'c' }}", expect!["cab"]);
    check(
        "{{ 'banana' | replace: 'a', 'o' }} {{ 'banana' | remove: 'an' }} {{ 'ab' | replace: '', '-' }}",
        expect!["bonono ba -a-b-"],
    );
    check(
        "[{{ '  a ' | strip }}][{{ '  a ' | lstrip }}][{{ '  a ' | rstrip }}]",
        expect!["[a][a ][  a]"],
    );
    check(
        "{{ context.name | truncate: 7 }} {{ context.name | truncate: 7, '' }} {{ 'ab' | truncate: 1 }}",
        expect!["Ada ... Ada Lov ..."],
    );
    check(
        "{{ 'one two three' | truncatewords: 2 }} {{ 'one two' | truncatewords: 2 }}",
        expect!["one two... one two"],
    );
    check(
        "{{ 'a,b,c' | split: ',' | join: ' & ' }} {{ 'a,b' | split: ',' | last }} {{ '' | split: ',' | size }}",
        expect!["a & b & c b 0"],
    );
    check(
        "{{ 'héé' | size }} {{ context.list | size }} {{ context.page | size }} {{ profile | size }}",
        expect!["3 3 2 2"],
    );
    check(
        "{{ 'a b/å' | url_encode }} {{ context.html | escape }}",
        expect!["a%20b%2F%C3%A5 &lt;a href=&quot;x&quot;&gt;&amp;&#39;"],
    );
    check(
        "{{ profile.x | default: 'none' }} {{ '' | default: 'none' }} {{ context.n | default: 1 }}",
        expect!["none none 7"],
    );
}

#[test]
fn number_filters() {
    check(
        "{{ context.n | plus: 1 }} {{ context.n | minus: 1.5 }} {{ '3' | times: 2 }}",
        expect!["8 5.5 6"],
    );
    check(
        "{{ 7 | divided_by: 2 }} {{ -7 | divided_by: 2 }} {{ 7 | divided_by: 2.0 }} {{ 7 | modulo: 4 }}",
        expect!["3 -4 3.5 3"],
    );
    check(
        "{{ context.price | round }} {{ 1.005 | round: 1 }} {{ 1.2 | ceil }} {{ 1.8 | floor }} {{ -3 | abs }}",
        expect!["20 1 2 1 3"],
    );
    check("{{ 5 | at_least: 7 }} {{ 5 | at_most: 3.5 }}", expect!["7 3.5"]);
    check("{{ context.big | plus: 1 }}", expect!["error: `plus`: the number grows too large"]);
    check("{{ context.big | times: -2 }}", expect!["error: `times`: the number grows too large"]);
    check(
        "{{ context.n | divided_by: context.zero }}",
        expect!["error: `divided_by`: division by zero"],
    );
    check(
        "{{ context.n | divided_by: 0.0 }}",
        expect!["error: `divided_by`: the number grows too large"],
    );
    check("{{ context.huge | round }}", expect!["error: `round`: the number grows too large"]);
    check("{{ context.name | plus: 1 }}", expect!["error: `plus`: a number is needed"]);
}

#[test]
fn dates_are_formatted_and_no_clock_is_read() {
    check("{{ context.when | date: '%d %B %Y %H:%M' }}", expect!["21 November 2026 12:30"]);
    check("{{ context.day | date: '%-d/%-m' }} {{ 0 | date: '%Y' }}", expect!["21/11 1970"]);
    check(
        "{{ 'now' | date: '%Y' }} {{ 'today' | date: '%Y' }} {{ profile.x | date: '%Y' }}",
        expect!["now today "],
    );
    check("{{ context.day | date: '%!' }}", expect!["error: `date`: the format is not known"]);
}

#[test]
fn html_fields_escape_values_and_keep_the_template() {
    let rendered = render("<b>{{ context.html }}</b>{{ context.list | join }}", Escape::Html);
    expect!["<b>&lt;a href=&quot;x&quot;&gt;&amp;&#39;</b>a b {&quot;deep&quot;:true}"]
        .assert_eq(&rendered.unwrap());
}

#[test]
fn what_a_template_may_become_is_bounded() {
    let long = "a".repeat(4_000);
    let context = json!({"a": long}).as_object().unwrap().clone().into();
    let scope = Scope::new(&context, None);
    let render = |text: &str, room: &mut usize| {
        Template::parse(text).unwrap().render(&scope, Escape::Nothing, room)
    };
    let mut room = MAX_OUTPUT_BYTES;
    assert_eq!(render("{{ context.a }}", &mut room).unwrap().len(), 4_000);
    assert_eq!(room, MAX_OUTPUT_BYTES - 4_000);
    let mut little = 3_999;
    assert_eq!(render("{{ context.a }}", &mut little), Err(TemplateError::TooMuchOutput));
    for text in [
        "{{ context.a | replace: 'a', context.a }}",
        "{{ context.a | split: '' | join: context.a }}",
    ] {
        let error = render(text, &mut room.clone()).unwrap_err();
        assert!(error.to_string().ends_with("the text grows too long"), "{error}");
    }
    assert_eq!(
        Template::parse(&"a".repeat(MAX_TEMPLATE_BYTES + 1)).unwrap_err(),
        TemplateError::TooLong
    );
    assert_eq!(Template::parse(&"{% if x %}".repeat(201)).unwrap_err(), TemplateError::TooManyTags);
}

#[test]
fn an_error_never_quotes_a_value() {
    let error = render("{{ context.name | plus: 1 }}", Escape::Nothing).unwrap_err();
    assert!(!error.to_string().contains("Ada"), "{error}");
}

#[test]
fn the_profile_is_read_once_and_only_when_asked_for() {
    let (context, reads) = (context(), std::cell::Cell::new(0));
    let profile = || {
        reads.set(reads.get() + 1);
        Object::new()
    };
    let scope = Scope::new(&context, Some(&profile));
    let render = |text: &str| {
        let template = Template::parse(text).unwrap();
        template.render(&scope, Escape::Nothing, &mut MAX_OUTPUT_BYTES.clone()).unwrap()
    };
    render("{{ context.n }}{% if context.zero == 1 %}{{ profile.a }}{% endif %}");
    assert_eq!(reads.get(), 0);
    render("{{ profile.a }}{{ profile.b }}");
    render("{{ profile.c }}");
    assert_eq!(reads.get(), 1);
}

#[test]
fn what_is_within_a_comment_is_not_read() {
    check(
        "a{% comment %}{{ b | {% if %} {% comment %}x{% endcomment %}{% endcomment %}c",
        expect!["ac"],
    );
    for open in ["{% comment %}", "{% comment %}{% if context.n %}", "{% comment %}{% raw %}"] {
        let error = render(open, Escape::Nothing).unwrap_err().to_string();
        assert!(error.contains("Unclosed block"), "{error}");
    }
}

#[test]
fn members_of_objects_are_counted() {
    check(
        "{{ context.page.size }} {{ context.list[2].size }} {{ context.page }}",
        expect![[r#"2 1 {"none":null,"title":"Start"}"#]],
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// Random pieces of the language, well put together or not, neither panic when parsed nor when
    /// filled in.
    #[test]
    fn no_text_breaks_a_template(pieces in prop::collection::vec(prop::sample::select(vec![
        "{{", "}}", "{%", "%}", "{{-", "-%}", " if ", " elsif ", " else ", " endif ", " unless ", " endunless ",
        " case ", " when ", " endcase ", " raw ", " endraw ", " comment ", " endcomment ", " for ", " in ",
        "context", "profile", ".", "[", "]", "'", "\"", "n", "list", " | ", "plus", "append", "default", "date",
        ": ", ", ", "1", "-", "2.5", "999999999999999999", " == ", " contains ", " and ", "nil", "empty", "blank",
        "true", "(", "..", ")", "text", "å", "\n", "{% if context.n %}", "{% endif %}", "{{ context.list }}",
    ]), 0..24)) {
        let text = pieces.concat();
        let outcome = render(&text, Escape::Html);
        prop_assert!(outcome != Err(TemplateError::Syntax("the parser gave up on it".into())), "{text}");
    }
}
