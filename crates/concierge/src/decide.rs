//! `concierge decide`: what a person would be shown now, or at another instant, and why.

use anyhow::Context as _;
use model::Timestamp;
use serde_json::{Map, Value, json};

use crate::{
    cli::ClientFlags,
    client::Auth,
    failure::{Failure, Outcome},
    screen,
    settings::Settings,
    target::Target,
};

mod explanation;

const EXAMPLES: &str = "\
Examples:
  concierge decide --user-id u1 --placement home_hero --explain
  concierge decide --anonymous-id a1 --context '{\"locale\":\"sv-SE\"}' --at 2026-12-24T18:00:00Z

Asking here is looking, not showing: nothing is recorded, no cap is used up, unless --record is given.";

/// Arguments of `concierge decide`.
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct DecideArgs {
    #[command(flatten)]
    pub(crate) flags: ClientFlags,
    /// The person's user id
    #[arg(long, value_name = "ID")]
    user_id: Option<String>,
    /// The visitor's anonymous id
    #[arg(long, value_name = "ID")]
    anonymous_id: Option<String>,
    /// Another identifier, as in email=ann@example.org
    #[arg(long = "identifier", value_name = "TYPE=VALUE")]
    identifiers: Vec<String>,
    /// A placement; all that fit the context when none is given
    #[arg(long = "placement", value_name = "KEY")]
    placements: Vec<String>,
    /// The situation, as a JSON object
    #[arg(long, value_name = "JSON")]
    context: Option<String>,
    /// Decide as if the clock stood here, over what is known today
    #[arg(long, value_name = "INSTANT", conflicts_with = "record")]
    at: Option<Timestamp>,
    /// Tell the whole way from the person to the content
    #[arg(long)]
    explain: bool,
    /// Keep a record, as if it were shown
    #[arg(long)]
    record: bool,
    /// Print the answer of the server as it is
    #[arg(long)]
    json: bool,
}

/// Asks for decisions and prints them.
pub(crate) fn run(settings: &Settings, args: &DecideArgs) -> Outcome {
    let request = request(args)?;
    let target = Target::open(settings, &args.flags)?;
    let answered = target.client().post("/v1/decide", Auth::Token, &request);
    target.close()?;
    let answer = answered?;
    if args.json {
        screen::say(format!("{answer:#}"));
        return Ok(());
    }
    Ok(say(&answer)?)
}

/// Prints the decisions of an answer.
pub(crate) fn say(answer: &Value) -> anyhow::Result<()> {
    let decisions = answer.get("decisions").and_then(Value::as_array);
    let decisions = decisions.context("the server's answer has no decisions")?;
    if decisions.is_empty() {
        screen::say("no placement fits this context: name one with --placement");
    }
    for decision in decisions {
        screen::say(told(decision));
    }
    Ok(())
}

fn request(args: &DecideArgs) -> Result<Value, Failure> {
    let mut identifiers = Map::new();
    for (kind, value) in [("user_id", &args.user_id), ("anonymous_id", &args.anonymous_id)] {
        if let Some(value) = value {
            identifiers.insert(kind.to_owned(), value.as_str().into());
        }
    }
    for identifier in &args.identifiers {
        let (kind, value) = identifier.split_once('=').ok_or_else(|| {
            Failure::usage(format!("`{identifier}` is not TYPE=VALUE, as in email=ann@example.org"))
        })?;
        identifiers.insert(kind.to_owned(), value.into());
    }
    let context = match &args.context {
        None => Value::Object(Map::new()),
        Some(text) => match serde_json::from_str(text) {
            Ok(context @ Value::Object(_)) => context,
            Ok(_) => return Err(Failure::usage("--context is not a JSON object")),
            Err(error) => return Err(Failure::usage(format!("--context is not JSON: {error}"))),
        },
    };
    let mut request = json!({
        "identifiers": identifiers, "context": context, "explain": args.explain, "record": args.record,
    });
    if let Some(fields) = request.as_object_mut() {
        if !args.placements.is_empty() {
            fields.insert("placements".to_owned(), args.placements.clone().into());
        }
        if let Some(at) = args.at {
            fields.insert("at".to_owned(), at.to_string().into());
        }
    }
    Ok(request)
}

/// A decision for reading.
fn told(decision: &Value) -> String {
    let text = |key: &str| decision.get(key).and_then(Value::as_str);
    let placement = text("placement").unwrap_or("?");
    let reason = text("reason").unwrap_or("?");
    let mut lines = vec![match (text("experience"), text("variant")) {
        (Some(experience), Some(variant)) => {
            format!("{placement}: {experience}, variant {variant}")
        }
        (Some(experience), None) => format!("{placement}: {experience}"),
        (None, _) => format!("{placement}: the default"),
    }];
    lines.push(format!("  because  {}", in_words(reason)));
    if let Some(propensity) = decision.get("propensity").and_then(Value::as_f64)
        && propensity < 1.0
    {
        lines.push(format!("  drawn with probability {propensity}"));
    }
    match decision.get("content") {
        None | Some(Value::Null) => lines.push("  content  nothing is shown".to_owned()),
        Some(content) => {
            let content = format!("{content:#}").replace('\n', "\n           ");
            lines.push(format!("  content  {content}"));
        }
    }
    if let Some(steps) = decision.get("explanation").and_then(Value::as_array) {
        lines.extend(explanation::told(steps));
    }
    lines.join("\n")
}

/// The reason as a sentence.
fn in_words(reason: &str) -> String {
    let sentence = match reason {
        "targeting_match" => "the person is eligible, and it won",
        "split" => "the person is eligible, it won, and this variant was drawn",
        "default" => "no experience is for this person now",
        "holdout" => "it won, and the person is held out so that the effect can be measured",
        "no_consent" => "the person's consent does not allow it",
        "frequency_cap" => "it was shown often enough",
        "excluded" => "the person is outside its traffic, suppressed, or in another exclusion slot",
        "paused" => "it is paused",
        "error" => "the placement or its content is broken or unknown",
        _ => return reason.to_owned(),
    };
    format!("{sentence} ({reason})")
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    #[test]
    fn a_decision_is_told_with_its_way() {
        let decision = json!({
            "placement": "home_hero", "experience": "welcome_back", "variant": "b", "reason": "split",
            "propensity": 0.5, "content": {"title": "Hi Ann"},
            "explanation": [
                {"stage": "identity", "text": "2 strands"},
                {"stage": "audience", "text": "is a member of `returning` (version 1)", "truth": "true"},
                {"stage": "audience", "text": "`returning`: count is 3", "truth": "true", "pointer": "/condition"},
                {"stage": "audience", "text": "is not a member of `vip` (version 1)", "truth": "false"},
                {"stage": "audience", "text": "`vip`: count is 3", "truth": "false", "pointer": "/condition"},
                {"stage": "eligibility", "text": "eligible", "truth": "true", "experience": "welcome_back"},
                {"stage": "eligibility", "text": "in audience returning: a member", "truth": "true",
                    "experience": "welcome_back", "pointer": "/eligibility/any/0"},
            ],
        });
        expect![[r#"
            home_hero: welcome_back, variant b
              because  the person is eligible, it won, and this variant was drawn (split)
              drawn with probability 0.5
              content  {
                         "title": "Hi Ann"
                       }
              what is known
                · identity    2 strands
                ✓ audience    is a member of `returning` (version 1)
                ✓ audience      `returning`: count is 3
                ✗ audience    is not a member of `vip` (version 1)
              experience welcome_back
                ✓ eligibility eligible
                ✓ eligibility     in audience returning: a member"#]]
        .assert_eq(&told(&decision));
    }
}
