//! What is wrong with a survey.

use std::{collections::BTreeSet, ops::RangeInclusive};

use model::Value;

use super::{Answer, MAX_PARTS, Outcomes, Question, Survey};
use crate::template;

/// Longest text that names something: a trait, an answer.
const MAX_NAME_BYTES: usize = 100;
/// The characters that a written answer may have at most, which fit the value of a trait in any script.
const WRITTEN: RangeInclusive<u16> = 1..=500;
/// The points that an answer may give.
const POINTS: RangeInclusive<i8> = -100..=100;

impl Survey {
    /// What is wrong with it, each by its place within it.
    pub(super) fn faults(&self) -> Vec<(String, &'static str)> {
        let mut faults = Vec::new();
        if !(1..=MAX_PARTS).contains(&self.questions.len()) {
            faults.push(("/questions".to_owned(), "a survey has 1 to 20 questions"));
        }
        for (place, question) in self.questions.iter().enumerate() {
            if let Err(detail) = question.check(self.outcomes.as_ref()) {
                faults.push((format!("/questions/{place}"), detail));
            }
        }
        if let Some(Err(detail)) = self.outcomes.as_ref().map(Outcomes::check) {
            faults.push(("/outcomes".to_owned(), detail));
        }
        let mut answers = self.questions.iter().flat_map(|question| &question.answers);
        if self.outcomes.is_some() && answers.all(|answer| answer.points.is_empty()) {
            faults.push(("/outcomes".to_owned(), "no answer gives points to any of them"));
        }
        faults
    }
}

impl Outcomes {
    fn check(&self) -> Result<(), &'static str> {
        if !(2..=MAX_PARTS).contains(&self.of.len()) {
            return Err("a quiz has 2 to 20 outcomes");
        }
        if !is_name(&self.r#trait) {
            return Err("the name of a trait has 1 to 100 bytes and is no template");
        }
        if !self.of.iter().all(|outcome| is_name(&outcome.value)) {
            return Err("the value of an outcome has 1 to 100 bytes and is no template");
        }
        if self.values().len() < self.of.len() {
            return Err("two outcomes have the same value");
        }
        Ok(())
    }

    fn values(&self) -> BTreeSet<&str> {
        self.of.iter().map(|outcome| outcome.value.as_str()).collect()
    }
}

impl Question {
    fn check(&self, outcomes: Option<&Outcomes>) -> Result<(), &'static str> {
        match (&self.r#trait, outcomes) {
            (None, None) => return Err("name the trait that the answer becomes"),
            // A name that is filled in could be any trait.
            (Some(name), _) if !is_name(name) => {
                return Err("the name of a trait has 1 to 100 bytes and is no template");
            }
            (Some(name), Some(outcomes)) if *name == outcomes.r#trait => {
                return Err("this trait is what the outcome becomes");
            }
            _ => {}
        }
        match self.written {
            Some(_) if !self.answers.is_empty() => {
                return Err("it is written or chosen from answers, not both");
            }
            Some(_) if self.r#trait.is_none() => {
                return Err("name the trait that the answer becomes");
            }
            Some(most) if !WRITTEN.contains(&most) => {
                return Err("a written answer has at most 1 to 500 characters");
            }
            None if !(1..=MAX_PARTS).contains(&self.answers.len()) => {
                return Err("a question has 1 to 20 answers");
            }
            _ => {}
        }
        self.answers.iter().try_for_each(|answer| answer.check(outcomes))
    }
}

impl Answer {
    fn check(&self, outcomes: Option<&Outcomes>) -> Result<(), &'static str> {
        match &self.value {
            Some(value) if !(value.is_string() || value.is_number() || value.is_boolean()) => {
                return Err("the value of an answer is a text, a number, or true or false");
            }
            _ => {}
        }
        let mut names = self.value.iter().filter_map(Value::as_str).chain([self.text.as_str()]);
        if !names.all(is_name) {
            return Err("an answer has 1 to 100 bytes and is no template");
        }
        let known = outcomes.map(Outcomes::values).unwrap_or_default();
        if !self.points.keys().all(|outcome| known.contains(outcome.as_str())) {
            return Err("points are given to outcomes of the survey, by their values");
        }
        if !self.points.values().all(|points| POINTS.contains(points)) {
            return Err("an answer gives -100 to 100 points");
        }
        Ok(())
    }
}

fn is_name(name: &str) -> bool {
    (1..=MAX_NAME_BYTES).contains(&name.len()) && !template::is_template(name)
}
