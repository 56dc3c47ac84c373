use expect_test::{Expect, expect};
use model::{Key, value::Object};
use serde_json::json;

use super::*;
use crate::{content::Content, schema::Schema, template::Scope};

fn content(value: serde_json::Value) -> Object {
    value.as_object().unwrap().clone()
}

fn placement() -> Key {
    "exit_offer".parse().unwrap()
}

fn change(component: serde_json::Value, profile: &Object) -> Object {
    let content = content(json!({ "component": component }));
    let compiled =
        Content::compile(&content, &Schema::open(), "/content", &placement(), true).unwrap();
    let (nothing, known) = (model::LazyObject::default(), || profile.clone());
    let filled = compiled.render(&Scope::new(&nothing, Some(&known))).unwrap();
    filled["changes"][0].as_object().unwrap().clone()
}

fn faults(component: serde_json::Value, expected: Expect) {
    let mut faults = Vec::new();
    check(&content(json!({ "component": component })), "/content", &mut faults);
    let lines: String = faults.iter().map(|f| format!("{}: {}\n", f.pointer, f.detail)).collect();
    expected.assert_eq(&lines);
}

#[test]
fn a_popup_is_a_dialog_whose_texts_are_no_markup() {
    let component = json!({
        "kind": "popup", "lang": "sv", "title": "Vänta, {{ profile.traits.name }}!", "text": "<b>10 %</b>",
        "coupon": "SPARA10", "button": {"text": "Handla", "link": "/cart?a=1&b=2"}, "why": true,
    });
    let name = content(json!({"traits": {"name": "<i>Ada</i>"}}));
    let change = change(component, &name);
    assert_eq!((&change["kind"], &change["selector"]), (&json!("insert"), &json!("body")));
    let markup = change["html"].as_str().unwrap().replace('>', ">\n");
    expect![[r#"
        <dialog data-concierge-component="popup" lang="sv" dir="ltr" aria-label="Vänta, &lt;i&gt;Ada&lt;/i&gt;!">
        <button type="button" class="concierge-close" data-do="close" data-say="Experience Dismissed" aria-label="Stäng">
        ×</button>
        <div class="concierge-body">
        <p class="concierge-title">
        Vänta, &lt;i&gt;Ada&lt;/i&gt;!</p>
        <p>
        &lt;b&gt;10 %&lt;/b&gt;</p>
        <p class="concierge-coupon">
        <code>
        SPARA10</code>
        <button type="button" data-do="copy" data-say="Coupon Copied" data-value="SPARA10" data-done="Kopierad">
        Kopiera</button>
        </p>
        <a class="concierge-button" data-say="Experience Clicked" href="/cart?a=1&amp;b=2">
        Handla</a>
        <details>
        <summary>
        Varför ser jag det här?</summary>
        <p>
        Det valdes för dig utifrån vad du har gjort på den här webbplatsen.</p>
        <button type="button" data-do="refuse" data-say="Personalization Refused">
        Sluta välja åt mig</button>
        </details>
        </div>
        </dialog>
    "#]].assert_eq(&markup);
}

#[test]
fn what_is_embedded_stands_in_the_element_of_its_placement() {
    let items = json!([{"title": "Lamp", "link": "/p/1", "image": "/1.svg", "price": "€ 10"}]);
    let change = change(json!({"kind": "embedded", "items": items}), &Object::new());
    let place = (&change["kind"], &change["selector"]);
    assert_eq!(place, (&json!("html"), &json!("[data-concierge=\"exit_offer\"]")));
    let css = change["css"].as_str().unwrap();
    assert!(css.contains(".concierge-items{") || css.contains(".concierge-items {"), "{css}");
    assert!(!css.contains("coupon") && !css.contains('\n'), "only what is for its parts: {css}");
}

#[test]
fn a_survey_is_asked_step_by_step() {
    let survey = json!({"questions": [
        {"ask": "For whom?", "trait": "shops_for", "answers": [{"text": "Me"}, {"text": "A gift", "value": "gift"}]},
        {"ask": "How often?", "trait": "runs_weekly", "answers": [{"text": "Twice", "value": 2}]},
    ]});
    let component = json!({"kind": "slide_in", "title": "Two questions", "survey": survey});
    let markup = change(component, &Object::new());
    expect![[r#"
        <aside data-concierge-component="slide_in" lang="en" dir="ltr" aria-label="Two questions">
        <button type="button" class="concierge-close" data-do="close" data-say="Experience Dismissed" aria-label="Close">
        ×</button>
        <div class="concierge-body">
        <p class="concierge-title">
        Two questions</p>
        <div role="group" data-step aria-label="For whom?">
        <p class="concierge-ask">
        For whom?</p>
        <div class="concierge-answers">
        <button type="button" data-do="answer" data-name="shops_for" data-json="&quot;Me&quot;">
        Me</button>
        <button type="button" data-do="answer" data-name="shops_for" data-json="&quot;gift&quot;">
        A gift</button>
        </div>
        </div>
        <div role="group" data-step aria-label="How often?" hidden>
        <p class="concierge-ask">
        How often?</p>
        <div class="concierge-answers">
        <button type="button" data-do="answer" data-say="Survey Answered" data-name="runs_weekly" data-json="2">
        Twice</button>
        </div>
        </div>
        <p role="status" hidden>
        Thank you!</p>
        </div>
        </aside>
    "#]].assert_eq(&markup["html"].as_str().unwrap().replace('>', ">\n"));
}

#[test]
fn what_somebody_writes_is_bounded_and_may_be_left_empty() {
    let survey =
        json!({"questions": [{"ask": "What is missing?", "trait": "misses", "written": 300}]});
    let change = change(json!({"kind": "embedded", "survey": survey}), &Object::new());
    let markup = change["html"].as_str().unwrap().replace('>', ">\n");
    expect![[r#"
        <section data-concierge-component="embedded" lang="en" dir="ltr">
        <div class="concierge-body">
        <div role="group" data-step aria-label="What is missing?">
        <p class="concierge-ask">
        What is missing?</p>
        <div class="concierge-answers">
        <textarea rows="3" maxlength="300" aria-label="What is missing?" data-name="misses">
        </textarea>
        <button type="button" data-do="answer" data-say="Survey Answered">
        Continue</button>
        </div>
        </div>
        <p role="status" hidden>
        Thank you!</p>
        </div>
        </section>
    "#]]
    .assert_eq(&markup);
    assert!(change["css"].as_str().unwrap().contains("textarea"));
}

#[test]
fn a_quiz_comes_to_one_of_its_outcomes() {
    let survey = json!({
        "questions": [{"ask": "Where?", "answers": [
            {"text": "Forest", "points": {"trail": 2}},
            {"text": "Anywhere", "points": {"road": 1, "trail": 1}},
            {"text": "Nowhere"},
        ]}],
        "outcomes": {"trait": "shoe", "of": [
            {"value": "road", "text": "Road shoes"},
            {"value": "trail", "text": "Trail shoes", "button": {"text": "See them", "link": "/trail"}},
        ]},
    });
    let change = change(json!({"kind": "embedded", "survey": survey}), &Object::new());
    expect![[r#"
        <section data-concierge-component="embedded" lang="en" dir="ltr">
        <div class="concierge-body">
        <div role="group" data-step aria-label="Where?">
        <p class="concierge-ask">
        Where?</p>
        <div class="concierge-answers">
        <button type="button" data-do="answer" data-say="Survey Answered" data-points="[0,2]">
        Forest</button>
        <button type="button" data-do="answer" data-say="Survey Answered" data-points="[1,1]">
        Anywhere</button>
        <button type="button" data-do="answer" data-say="Survey Answered" data-points="[0,0]">
        Nowhere</button>
        </div>
        </div>
        <div role="status" hidden data-outcome="road" data-name="shoe">
        <p>
        Road shoes</p>
        </div>
        <div role="status" hidden data-outcome="trail" data-name="shoe">
        <p>
        Trail shoes</p>
        <a class="concierge-button" data-say="Experience Clicked" href="/trail">
        See them</a>
        </div>
        </div>
        </section>
    "#]]
    .assert_eq(&change["html"].as_str().unwrap().replace('>', ">\n"));
}

#[test]
fn a_quiz_that_cannot_come_to_anything_is_refused() {
    let quiz = |answer: serde_json::Value, values: [&str; 2], about: &str| {
        json!({"kind": "embedded", "survey": {
            "questions": [{"ask": "?", "trait": "a", "answers": [answer]}],
            "outcomes": {"trait": about, "of": values.map(|value| json!({"value": value, "text": value}))},
        }})
    };
    let sound = json!({"text": "a", "points": {"x": 1}});
    faults(quiz(sound.clone(), ["x", "y"], "shoe"), expect![[""]]);
    faults(
        quiz(sound.clone(), ["x", "x"], "shoe"),
        expect![[r#"
        /content/component/survey/outcomes: two outcomes have the same value
    "#]],
    );
    faults(
        quiz(sound, ["x", "{{ y }}"], "a"),
        expect![[r#"
        /content/component/survey/questions/0: this trait is what the outcome becomes
        /content/component/survey/outcomes: the value of an outcome has 1 to 100 bytes and is no template
    "#]],
    );
    faults(
        quiz(json!({"text": "a"}), ["x", "y"], "shoe"),
        expect![[r#"
        /content/component/survey/outcomes: no answer gives points to any of them
    "#]],
    );
    faults(
        quiz(json!({"text": "a", "points": {"z": 1}}), ["x", "y"], "shoe"),
        expect![[r#"
        /content/component/survey/questions/0: points are given to outcomes of the survey, by their values
    "#]],
    );
    faults(
        quiz(json!({"text": "a", "points": {"x": 101}}), ["x", "y"], "shoe"),
        expect![[r#"
        /content/component/survey/questions/0: an answer gives -100 to 100 points
    "#]],
    );
    let survey = |question| json!({"kind": "embedded", "survey": {"questions": [question]}});
    faults(
        survey(json!({"ask": "?", "answers": [{"text": "a"}]})),
        expect![[r#"
        /content/component/survey/questions/0: name the trait that the answer becomes
    "#]],
    );
    faults(
        survey(json!({"ask": "?", "trait": "a", "written": 0})),
        expect![[r#"
        /content/component/survey/questions/0: a written answer has at most 1 to 500 characters
    "#]],
    );
    faults(
        survey(json!({"ask": "?", "trait": "a", "written": 9, "answers": [{"text": "a"}]})),
        expect![[r#"
            /content/component/survey/questions/0: it is written or chosen from answers, not both
        "#]],
    );
    faults(
        survey(json!({"ask": "?", "trait": "a"})),
        expect![[r#"
        /content/component/survey/questions/0: a question has 1 to 20 answers
    "#]],
    );
}

#[test]
fn what_is_wrong_is_told_by_its_place() {
    faults(
        json!({"kind": "window"}),
        expect![[r#"
            /content/component/kind: unknown value `window`, expected one of `banner`, `bar`, `popup`, `slide_in`, `embedded`
        "#]],
    );
    faults(
        json!({"kind": "popup"}),
        expect![[r#"
        /content/component: there is nothing in it
        /content/component/title: it needs a title, which is read to those who cannot see it
    "#]],
    );
    faults(
        json!({"kind": "bar", "text": "x", "countdown": "soon"}),
        expect![[r#"
        /content/component/countdown: this is no instant, such as 2026-12-24T18:00:00Z
    "#]],
    );
    faults(
        json!({"kind": "bar", "text": "x", "countdown": "{{ profile.traits.until }}"}),
        expect![[""]],
    );
    let question = |name: &str, value: serde_json::Value| json!({"questions": [{"ask": "?", "trait": name, "answers": [{"text": "a", "value": value}]}]});
    let ask = |survey| json!({"kind": "banner", "title": "x", "survey": survey});
    faults(
        ask(question("{{ profile.id }}", json!("a"))),
        expect![[r#"
        /content/component/survey/questions/0: the name of a trait has 1 to 100 bytes and is no template
    "#]],
    );
    faults(
        ask(question("style", json!(["a"]))),
        expect![[r#"
        /content/component/survey/questions/0: the value of an answer is a text, a number, or true or false
    "#]],
    );
    faults(
        ask(json!({"questions": []})),
        expect![[r#"
        /content/component/survey/questions: a survey has 1 to 20 questions
    "#]],
    );
    faults(
        json!({"kind": "banner", "title": "x", "rating": "?", "survey": question("a", json!(1))}),
        expect![[r#"
            /content/component/rating: it asks for one thing at a time: a survey or a rating
        "#]],
    );
}
