//! Ready-made components: what content's member `component` may say, and the markup that it comes to.
//!
//! A component is a shape (a pop-up, a bar …) and what is in it (a text, a countdown, a survey …). It becomes a
//! declared change like any other, so whoever makes changes can show it. What it does is declared in its markup: the
//! browser's client (`packages/sdk-browser`, `component.ts`) knows the attributes `data-do` and `data-say`.

mod labels;
mod markup;
mod style;
mod survey;

use std::collections::BTreeMap;

use model::{Timestamp, Value, definition::Fault, value::Object};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_path_to_error::Segment;

pub use labels::Language;
pub(crate) use markup::Piece;

use crate::{changes::is_safe_address, template};

/// The member of content that has one.
pub(crate) const MEMBER: &str = "component";
/// Most products of a row, questions and outcomes of a survey, and answers to a question.
const MAX_PARTS: usize = 20;

/// The shape of a component, and where it is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Shape {
    /// Over the bottom of the window, in all its width.
    Banner,
    /// A line over the top of the window.
    Bar,
    /// In the middle, over everything, until it is closed.
    Popup,
    /// In a corner.
    SlideIn,
    /// In the page, in the element that is marked for the placement.
    Embedded,
}

impl Shape {
    /// Its name in documents, markup and style sheets.
    fn name(self) -> &'static str {
        match self {
            Self::Banner => "banner",
            Self::Bar => "bar",
            Self::Popup => "popup",
            Self::SlideIn => "slide_in",
            Self::Embedded => "embedded",
        }
    }
}

/// A component. Its texts may be Liquid.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a component, an object with a `kind`")]
pub struct Component {
    /// Its shape.
    pub kind: Shape,
    /// The language of its texts, in which it says by itself what it has to.
    #[serde(default)]
    pub lang: Language,
    /// A heading; also its name for those who cannot see it.
    #[serde(default)]
    pub title: Option<String>,
    /// A paragraph.
    #[serde(default)]
    pub text: Option<String>,
    /// A picture.
    #[serde(default)]
    pub image: Option<Image>,
    /// An instant to which it counts down, such as `2026-12-24T18:00:00Z`.
    #[serde(default)]
    pub countdown: Option<String>,
    /// A code that can be copied.
    #[serde(default)]
    pub coupon: Option<String>,
    /// Products side by side, or whatever is recommended.
    #[serde(default)]
    #[schemars(length(max = 20))]
    pub items: Vec<Item>,
    /// Where it leads.
    #[serde(default)]
    pub button: Option<Button>,
    /// Questions, one after the other, whose answers become traits.
    #[serde(default)]
    pub survey: Option<Survey>,
    /// The question of a rating from one to five.
    #[serde(default)]
    pub rating: Option<String>,
    /// Whether it tells why it is shown, and how to have no more of it.
    #[serde(default)]
    pub why: Option<Why>,
}

/// A picture.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "an object with `src` and `alt`")]
pub struct Image {
    /// Its address.
    pub src: String,
    /// What it shows, in words; empty where it says nothing.
    pub alt: String,
}

/// Something that is recommended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "an object with `title` and `link`")]
pub struct Item {
    /// What it is called.
    pub title: String,
    /// Where it is.
    pub link: String,
    /// The address of a picture.
    #[serde(default)]
    pub image: Option<String>,
    /// What it costs, as it is to be read.
    #[serde(default)]
    pub price: Option<String>,
}

/// A link that looks like a button.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "an object with `text` and perhaps `link`")]
pub struct Button {
    /// What it says.
    pub text: String,
    /// Where it leads; it closes the component when absent.
    #[serde(default)]
    pub link: Option<String>,
}

/// Questions, one after the other; with outcomes, a quiz.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "an object with `questions`")]
pub struct Survey {
    /// The questions.
    #[schemars(length(min = 1, max = 20))]
    pub questions: Vec<Question>,
    /// What is said in the end, where there are no outcomes.
    #[serde(default)]
    pub thanks: Option<String>,
    /// What the answers may come to.
    #[serde(default)]
    pub outcomes: Option<Outcomes>,
}

/// What a quiz comes to: the outcome to which the answers gave most points, of several the first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "an object with `trait` and `of`")]
pub struct Outcomes {
    /// The trait that the outcome becomes.
    pub r#trait: String,
    /// The outcomes.
    #[schemars(length(min = 2, max = 20))]
    pub of: Vec<Outcome>,
}

/// An outcome of a quiz.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "an object with `value` and `text`")]
pub struct Outcome {
    /// The value of the trait, by which answers give points to it.
    pub value: String,
    /// What is said to the visitor.
    pub text: String,
    /// Where it leads.
    #[serde(default)]
    pub button: Option<Button>,
}

/// A question of which one answer is chosen, or that is answered in the visitor's own words.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "an object with `ask`")]
pub struct Question {
    /// What is asked.
    pub ask: String,
    /// The trait that the answer becomes; in a quiz it may become none.
    #[serde(default)]
    pub r#trait: Option<String>,
    /// The answers to choose from.
    #[serde(default)]
    #[schemars(length(max = 20))]
    pub answers: Vec<Answer>,
    /// In place of answers to choose from: most characters of one that the visitor writes, who may also leave it empty.
    #[serde(default)]
    #[schemars(range(min = 1, max = 500))]
    pub written: Option<u16>,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "an object with `text`")]
pub struct Answer {
    /// What it says.
    pub text: String,
    /// The value of the trait: a text, a number, or true or false. The text when absent.
    #[serde(default)]
    pub value: Option<Value>,
    /// The points that it gives to outcomes, −100 to 100 each.
    #[serde(default)]
    pub points: BTreeMap<String, i8>,
}

/// Why it is shown.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "it is true, false or a sentence")]
pub enum Why {
    /// In general words, or not at all.
    Usual(bool),
    /// In these words.
    Because(String),
}

impl Component {
    /// The component of a content; `None` where it has none, or none that can be read.
    pub(crate) fn of(content: &Object) -> Option<Self> {
        Self::deserialize(content.get(MEMBER)?).ok()
    }

    /// Whether it lies over the page, rather than in it.
    pub(crate) fn is_over(&self) -> bool {
        self.kind != Shape::Embedded
    }

    /// What a page is given so that it looks as it should.
    pub(crate) fn style(&self) -> String {
        style::of(self)
    }

    /// Its markup.
    pub(crate) fn pieces(&self) -> Vec<Piece> {
        markup::of(self)
    }

    /// Whether it asks for something.
    fn is_asking(&self) -> bool {
        self.survey.is_some() || self.rating.is_some()
    }

    /// Why it is shown, in its own words or those of its language; none where it does not tell.
    fn reason(&self) -> Option<&str> {
        match &self.why {
            None | Some(Why::Usual(false)) => None,
            Some(Why::Usual(true)) => Some(self.lang.labels().because),
            Some(Why::Because(because)) => Some(because),
        }
    }

    fn is_empty(&self) -> bool {
        let texts = [&self.title, &self.text, &self.countdown, &self.coupon, &self.rating];
        let is_bare = texts.into_iter().all(Option::is_none) && self.items.is_empty();
        is_bare && self.image.is_none() && self.button.is_none() && self.survey.is_none()
    }
}

/// What is wrong with the component of a content that stands at `pointer`.
pub(crate) fn check(content: &Object, pointer: &str, faults: &mut Vec<Fault>) {
    let Some(value) = content.get(MEMBER) else { return };
    let pointer = format!("{pointer}/{MEMBER}");
    match serde_path_to_error::deserialize::<_, Component>(value) {
        Ok(component) => faults.extend(
            component.faults().map(|(part, detail)| Fault::new(format!("{pointer}{part}"), detail)),
        ),
        Err(error) => {
            let place: String = error.path().iter().map(part).collect();
            // What serde says of enums and numbers is about our types, and is to be about what is written.
            let detail = error.inner().to_string();
            let detail = detail.replace("unknown variant", "unknown value");
            let detail = detail.replace("expected u16", "expected a whole number");
            faults.push(Fault::new(format!("{pointer}{place}"), detail));
        }
    }
}

/// A step of the way to what cannot be read, as part of a pointer.
fn part(segment: &Segment) -> String {
    match segment {
        Segment::Seq { index } => format!("/{index}"),
        Segment::Map { key } => format!("/{key}"),
        Segment::Enum { .. } | Segment::Unknown => String::new(),
    }
}

impl Component {
    /// All addresses, each with its place.
    fn addresses(&self) -> Vec<(String, &str)> {
        let mut all = Vec::new();
        let button = self.button.as_ref().and_then(|button| button.link.as_ref());
        all.extend(button.map(|link| ("/button/link".to_owned(), link.as_str())));
        all.extend(self.image.as_ref().map(|image| ("/image/src".to_owned(), image.src.as_str())));
        for (place, item) in self.items.iter().enumerate() {
            all.push((format!("/items/{place}/link"), item.link.as_str()));
            let image = item.image.as_ref();
            all.extend(image.map(|image| (format!("/items/{place}/image"), image.as_str())));
        }
        all
    }

    fn faults(&self) -> impl Iterator<Item = (String, String)> {
        let mut faults = Vec::new();
        let mut fault = |part: String, detail: &str| faults.push((part, detail.to_owned()));
        if self.is_empty() {
            fault(String::new(), "there is nothing in it");
        }
        if self.title.is_none() && self.is_over() && self.kind != Shape::Bar {
            fault("/title".into(), "it needs a title, which is read to those who cannot see it");
        }
        if let Some(instant) = &self.countdown
            && !template::is_template(instant)
            && instant.parse::<Timestamp>().is_err()
        {
            fault("/countdown".into(), "this is no instant, such as 2026-12-24T18:00:00Z");
        }
        for (part, address) in self.addresses() {
            if !template::is_template(address) && !is_safe_address(address) {
                fault(part, "this address does not lead to the web, to mail or to a telephone");
            }
        }
        if MAX_PARTS < self.items.len() {
            fault("/items".into(), "at most 20 products stand in a row");
        }
        if self.survey.is_some() && self.rating.is_some() {
            fault("/rating".into(), "it asks for one thing at a time: a survey or a rating");
        }
        for (part, detail) in self.survey.iter().flat_map(Survey::faults) {
            fault(format!("/survey{part}"), detail);
        }
        faults.into_iter()
    }
}

#[cfg(test)]
mod tests;
