//! The markup of a component: what is the same for everybody, and texts that may have to be filled in.

use model::Value;
use serde_json::json;

use super::{Button, Component, Item, Outcome, Question, Shape, labels::Labels};

/// A piece of markup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    /// Markup as it is.
    Markup(String),
    /// A text, of which nothing is markup; it may be a template.
    Text(String),
}

/// The pieces of a component, in their order.
pub(super) fn of(component: &Component) -> Vec<Piece> {
    let labels = component.lang.labels();
    let mut page = Page::default();
    open(&mut page, component);
    if component.is_over() {
        page.markup("<button type=\"button\" class=\"concierge-close\" data-do=\"close\" data-say=\"Experience Dismissed\"");
        page.attribute("aria-label", labels.close);
        page.markup(">×</button>");
    }
    page.markup("<div class=\"concierge-body\">");
    say(&mut page, component);
    offer(&mut page, component, labels);
    ask(&mut page, component, labels);
    explain(&mut page, component, labels);
    page.markup("</div>");
    page.markup(&format!("</{}>", element(component.kind)));
    page.pieces
}

fn open(page: &mut Page, component: &Component) {
    let kind = component.kind.name();
    page.markup(&format!("<{} data-concierge-component=\"{kind}\"", element(component.kind)));
    page.attribute("lang", component.lang.tag());
    page.attribute("dir", component.lang.direction());
    if let Some(title) = component.title.as_ref().or(component.text.as_ref()) {
        page.attribute("aria-label", title);
    }
    page.markup(">");
}

/// A modal dialog for a pop-up, a landmark for what lies over the page, else a part of the page.
fn element(shape: Shape) -> &'static str {
    match shape {
        Shape::Popup => "dialog",
        Shape::Embedded => "section",
        Shape::Banner | Shape::Bar | Shape::SlideIn => "aside",
    }
}

fn say(page: &mut Page, component: &Component) {
    if let Some(image) = &component.image {
        page.markup("<img class=\"concierge-image\"");
        page.attribute("src", &image.src);
        page.attribute("alt", &image.alt);
        page.markup(">");
    }
    page.element("<p class=\"concierge-title\">", component.title.as_deref(), "</p>");
    page.element("<p>", component.text.as_deref(), "</p>");
}

fn offer(page: &mut Page, component: &Component, labels: &Labels) {
    if let Some(until) = &component.countdown {
        page.markup("<p><time role=\"timer\" class=\"concierge-countdown\"");
        page.attribute("datetime", until);
        page.markup("></time></p>");
    }
    if let Some(code) = &component.coupon {
        page.element("<p class=\"concierge-coupon\"><code>", Some(code), "</code>");
        page.markup("<button type=\"button\" data-do=\"copy\" data-say=\"Coupon Copied\"");
        page.attribute("data-value", code);
        page.attribute("data-done", labels.copied);
        page.element(">", Some(labels.copy), "</button></p>");
    }
    if !component.items.is_empty() {
        page.markup("<ul class=\"concierge-items\">");
        component.items.iter().for_each(|one| item(page, one));
        page.markup("</ul>");
    }
    if let Some(one) = &component.button {
        button(page, one);
    }
}

fn button(page: &mut Page, button: &Button) {
    match &button.link {
        Some(link) => {
            page.markup("<a class=\"concierge-button\" data-say=\"Experience Clicked\"");
            page.attribute("href", link);
            page.element(">", Some(&button.text), "</a>");
        }
        None => page.element(
            "<button type=\"button\" class=\"concierge-button\" data-do=\"close\" data-say=\"Experience Clicked\">",
            Some(&button.text),
            "</button>",
        ),
    }
}

fn item(page: &mut Page, item: &Item) {
    page.markup("<li><a data-say=\"Experience Clicked\" data-name=\"item\"");
    page.attribute("data-value", &item.link);
    page.attribute("href", &item.link);
    page.markup(">");
    if let Some(image) = &item.image {
        page.markup("<img alt=\"\" loading=\"lazy\"");
        page.attribute("src", image);
        page.markup(">");
    }
    page.element("<span>", Some(&item.title), "</span>");
    page.element(" <span class=\"concierge-price\">", item.price.as_deref(), "</span>");
    page.markup("</a></li>");
}

/// What is asked, a step at a time, and the thanks or outcomes: a client shows the step after the one that is done.
fn ask(page: &mut Page, component: &Component, labels: &Labels) {
    let survey = component.survey.as_ref();
    if let Some(survey) = survey {
        let last = survey.questions.len();
        let outcomes = survey.outcomes.as_ref().map_or(&[][..], |outcomes| &outcomes.of);
        for (place, question) in survey.questions.iter().enumerate() {
            step(page, &question.ask, place == 0, |page| {
                answers(page, question, outcomes, place + 1 == last, labels);
            });
        }
    }
    if let Some(rating) = &component.rating {
        step(page, rating, true, |page| stars(page, labels));
    }
    match survey.and_then(|survey| survey.outcomes.as_ref()) {
        Some(outcomes) => outcomes.of.iter().for_each(|one| outcome(page, &outcomes.r#trait, one)),
        None if component.is_asking() => {
            let thanks = survey.and_then(|survey| survey.thanks.as_deref());
            page.element("<p role=\"status\" hidden>", thanks.or(Some(labels.thanks)), "</p>");
        }
        None => {}
    }
}

fn outcome(page: &mut Page, name: &str, outcome: &Outcome) {
    page.markup("<div role=\"status\" hidden");
    page.attribute("data-outcome", &outcome.value);
    page.attribute("data-name", name);
    page.element("><p>", Some(&outcome.text), "</p>");
    if let Some(one) = &outcome.button {
        button(page, one);
    }
    page.markup("</div>");
}

fn step(page: &mut Page, asked: &str, is_first: bool, choices: impl FnOnce(&mut Page)) {
    page.markup("<div role=\"group\" data-step");
    page.attribute("aria-label", asked);
    page.markup(if is_first { ">" } else { " hidden>" });
    page.element("<p class=\"concierge-ask\">", Some(asked), "</p>");
    page.markup("<div class=\"concierge-answers\">");
    choices(page);
    page.markup("</div></div>");
}

/// The answers of a question; `outcomes` are those to which they may give points.
fn answers(
    page: &mut Page,
    question: &Question,
    outcomes: &[Outcome],
    is_last: bool,
    labels: &Labels,
) {
    let act = |page: &mut Page| {
        page.markup("<button type=\"button\" data-do=\"answer\"");
        if is_last {
            page.markup(" data-say=\"Survey Answered\"");
        }
    };
    for answer in &question.answers {
        act(page);
        if let Some(name) = &question.r#trait {
            let value = answer.value.clone().unwrap_or_else(|| Value::from(answer.text.as_str()));
            page.attribute("data-name", name);
            page.attribute("data-json", &value.to_string());
        }
        if !outcomes.is_empty() {
            let given = |one: &Outcome| answer.points.get(&one.value).copied().unwrap_or_default();
            let points: Vec<i8> = outcomes.iter().map(given).collect();
            page.attribute("data-points", &json!(points).to_string());
        }
        page.element(">", Some(&answer.text), "</button>");
    }
    if let (Some(most), Some(name)) = (question.written, &question.r#trait) {
        page.markup(&format!("<textarea rows=\"3\" maxlength=\"{most}\""));
        page.attribute("aria-label", &question.ask);
        page.attribute("data-name", name);
        page.markup("></textarea>");
        act(page);
        page.element(">", Some(labels.go_on), "</button>");
    }
}

fn stars(page: &mut Page, labels: &Labels) {
    for (star, label) in (1..).zip(labels.stars) {
        page.markup(&format!(
            "<button type=\"button\" data-do=\"next\" data-say=\"Experience Rated\" data-name=\"rating\" \
             data-json=\"{star}\""
        ));
        page.attribute("aria-label", &format!("{star}: {label}"));
        page.attribute("title", label);
        page.markup(&format!(">{star} <span aria-hidden=\"true\">★</span></button>"));
    }
}

fn explain(page: &mut Page, component: &Component, labels: &Labels) {
    let Some(because) = component.reason() else { return };
    page.element("<details><summary>", Some(labels.why), "</summary>");
    page.element("<p>", Some(because), "</p>");
    page.markup("<button type=\"button\" data-do=\"refuse\" data-say=\"Personalization Refused\">");
    page.text(labels.opt_out);
    page.markup("</button></details>");
}

/// Markup as it is written.
#[derive(Default)]
struct Page {
    pieces: Vec<Piece>,
}

impl Page {
    fn markup(&mut self, markup: &str) {
        if let Some(Piece::Markup(before)) = self.pieces.last_mut() {
            before.push_str(markup);
        } else {
            self.pieces.push(Piece::Markup(markup.to_owned()));
        }
    }

    fn text(&mut self, text: &str) {
        self.pieces.push(Piece::Text(text.to_owned()));
    }

    fn element(&mut self, opening: &str, text: Option<&str>, closing: &str) {
        if let Some(text) = text {
            self.markup(opening);
            self.text(text);
            self.markup(closing);
        }
    }

    fn attribute(&mut self, name: &str, value: &str) {
        self.markup(&format!(" {name}=\""));
        self.text(value);
        self.markup("\"");
    }
}
