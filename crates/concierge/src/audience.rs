//! `concierge audience`: how large an audience is, who is in it, and why somebody is or is not.

mod ready_made;

use anyhow::Context as _;
use model::Timestamp;
use serde_json::{Value, json};

use crate::{
    apply,
    cli::ClientFlags,
    client::{Auth, Client, encode},
    failure::{Failure, Outcome},
    profile, screen,
    settings::Settings,
    target::Target,
};

const EXAMPLES: &str = "\
Examples:
  concierge audience preview vip                         (how many, and some of them)
  concierge audience preview -f definitions/audiences/vip.toml
  concierge audience members vip --limit 1000 > vip.tsv
  concierge audience explain vip user_id u1
  concierge audience edit vip                            (what an edit of a live audience would change)
  concierge audience switch vip                          (let it act)
  concierge audience ready-made                          (which there are, and what can be set)
  concierge audience ready-made lapsed --set after=60d --preview
  concierge audience ready-made lapsed --set after=60d --save lapsed_60 --live

Each page of members evaluates everyone; for all members of a large audience use `concierge export memberships`.";

/// Most members that the server gives at once.
const PAGE_MAX: usize = 500;

/// Arguments of `concierge audience`.
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct AudienceArgs {
    #[command(flatten)]
    pub(crate) flags: ClientFlags,
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand, Debug)]
enum What {
    /// Count who is in a saved audience, or would be in one from a file
    Preview(PreviewArgs),
    /// List the members: profile, user id, since when, separated by tabs
    Members(MembersArgs),
    /// Tell why a person is in it, or is not
    Explain(ExplainArgs),
    /// Show what an edit of a live audience would change, and how far it has been computed
    Edit(EditArgs),
    /// Let the edit of an audience act
    Switch(SwitchArgs),
    /// List ready-made audiences, or fill one in
    ReadyMade(ready_made::ReadyMadeArgs),
}

#[derive(clap::Args, Debug)]
struct PreviewArgs {
    /// The audience's key
    #[arg(required_unless_present = "file")]
    key: Option<String>,
    /// A file with one audience, which need not be saved
    #[arg(short, long, value_name = "FILE", conflicts_with = "key")]
    file: Option<std::path::PathBuf>,
    /// The instant to look at
    #[arg(long, value_name = "INSTANT")]
    at: Option<Timestamp>,
    /// How many of them to show
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=500))]
    limit: u16,
}

#[derive(clap::Args, Debug)]
struct MembersArgs {
    /// The audience's key
    key: String,
    /// The instant to look at
    #[arg(long, value_name = "INSTANT")]
    at: Option<Timestamp>,
    /// How many at most
    #[arg(long, default_value_t = PAGE_MAX)]
    limit: usize,
}

#[derive(clap::Args, Debug)]
struct ExplainArgs {
    /// The audience's key
    key: String,
    /// The type of an identifier: `user_id`, `email`, `external:<name>`, …
    #[arg(value_name = "TYPE")]
    kind: String,
    /// The identifier's value
    value: String,
    /// The instant to look at
    #[arg(long, value_name = "INSTANT")]
    at: Option<Timestamp>,
}

#[derive(clap::Args, Debug)]
struct EditArgs {
    /// The audience's key
    key: String,
    /// How many of those who would enter and leave to show
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=500))]
    limit: u16,
}

#[derive(clap::Args, Debug)]
struct SwitchArgs {
    /// The audience's key
    key: String,
}

/// Asks the server about an audience.
pub(crate) fn run(settings: &Settings, args: &AudienceArgs) -> Outcome {
    let previewed = match &args.what {
        What::Preview(args) => Some(chosen(args)?),
        _ => None,
    };
    let target = Target::open(settings, &args.flags)?;
    let client = target.client();
    let done = match (&args.what, previewed) {
        (What::Members(args), _) => members(client, args),
        (What::Explain(args), _) => explain(client, args),
        (What::Edit(args), _) => edit(client, args),
        (What::Switch(args), _) => switch(client, args),
        (What::ReadyMade(args), _) => ready_made::run(client, args),
        (What::Preview(args), Some((key, condition))) => preview(client, args, &key, condition),
        (What::Preview(_), None) => Ok(()),
    };
    target.close()?;
    Ok(done?)
}

/// The audience to preview: its key, and its condition where that comes from a file.
fn chosen(args: &PreviewArgs) -> Result<(String, Option<Value>), Failure> {
    if let Some(key) = &args.key {
        return Ok((key.clone(), None));
    }
    let documents = apply::read_documents(args.file.as_slice())?;
    let [document] = documents.as_slice() else {
        return Err(Failure::usage("the file has to hold exactly one definition"));
    };
    let condition = document.body.get("condition").cloned();
    let condition = condition.ok_or_else(|| Failure::usage("the definition has no condition"))?;
    Ok((document.key.clone(), Some(condition)))
}

fn preview(
    client: &Client,
    args: &PreviewArgs,
    key: &str,
    condition: Option<Value>,
) -> anyhow::Result<()> {
    let mut body = json!({"limit": args.limit});
    if let Some(condition) = condition {
        body["condition"] = condition;
    }
    if let Some(at) = args.at {
        body["at"] = at.to_string().into();
    }
    let path = format!("/api/v1/audiences/{}/preview", encode(key));
    let found = client.post(&path, Auth::Token, &body)?;
    screen::say(counted(key, &found));
    for row in rows(&found)? {
        screen::say(format!("  {}", row.join("  ").trim_end()));
    }
    Ok(())
}

/// How many are in it; about how many, where not everyone was looked at.
fn counted(key: &str, found: &Value) -> String {
    let number = |path: &str| found.pointer(path).and_then(Value::as_u64).unwrap_or(0);
    let count = |name: &str| screen::thousands(number(&format!("/{name}/value")));
    let is_exact = found.get("is_exact").and_then(Value::as_bool).unwrap_or(false);
    let mut text = match is_exact {
        true => format!("{key}: {} of {} people", count("count"), count("people")),
        false => format!(
            "{key}: about {} of {} people, between {} and {} (95 %), by {} people drawn at random",
            count("count"),
            count("people"),
            screen::thousands(number("/count/low")),
            screen::thousands(number("/count/high")),
            screen::thousands(number("/evaluated")),
        ),
    };
    if number("/withheld/value") > 0 {
        text += &format!("\n  {} cannot be told, for want of consent", count("withheld"));
    }
    text
}

fn edit(client: &Client, args: &EditArgs) -> anyhow::Result<()> {
    let path = format!("/api/v1/audiences/{}/edit?limit={}", encode(&args.key), args.limit);
    screen::say(edited(&args.key, &client.get(&path)?));
    Ok(())
}

/// How far an edit has come and what it would change, for reading.
fn edited(key: &str, edit: &Value) -> String {
    let number = |path: &str| edit.pointer(path).and_then(Value::as_u64).unwrap_or(0);
    let count = |path: &str| {
        let of = |end: &str| screen::thousands(number(&format!("/difference/{path}/{end}")));
        let is_exact = edit.pointer("/difference/is_exact").and_then(Value::as_bool);
        match is_exact {
            Some(true) => of("value"),
            _ => format!("about {} ({} to {})", of("value"), of("low"), of("high")),
        }
    };
    let part = edit.pointer("/progress/part").and_then(Value::as_f64).unwrap_or(0.0);
    let switch = edit.get("switch").and_then(Value::as_str).unwrap_or_default();
    let mut lines = vec![
        format!(
            "{key}: version {} acts; version {} is computed to {:.0} % and acts {}",
            number("/from"),
            number("/to"),
            part * 100.0,
            if switch == "manual" { "when it is switched to" } else { "when it is complete" },
        ),
        format!(
            "  {} would enter, {} leave, {} stay",
            count("enter"),
            count("leave"),
            count("stay")
        ),
    ];
    for (name, sign) in [("entering", "+"), ("leaving", "-")] {
        let people = edit.pointer(&format!("/difference/{name}")).and_then(Value::as_array);
        for person in people.into_iter().flatten() {
            let text = |name: &str| person.get(name).and_then(Value::as_str).unwrap_or_default();
            let line = format!("  {sign} {}  {}", text("profile"), text("user_id"));
            lines.push(line.trim_end().to_owned());
        }
    }
    lines.join("\n")
}

fn switch(client: &Client, args: &SwitchArgs) -> anyhow::Result<()> {
    let path = format!("/api/v1/audiences/{}/edit/switch", encode(&args.key));
    let acting = client.post(&path, Auth::Token, &json!({}))?;
    let version = acting.get("version").and_then(Value::as_u64).unwrap_or(0);
    screen::say(format!("{}: version {version} acts", args.key));
    Ok(())
}

fn members(client: &Client, args: &MembersArgs) -> anyhow::Result<()> {
    let at = args.at.map(|at| format!("&at={}", encode(&at.to_string()))).unwrap_or_default();
    let mut left = args.limit;
    let mut cursor = String::new();
    while left > 0 {
        let limit = left.min(PAGE_MAX);
        let path =
            format!("/api/v1/audiences/{}/members?limit={limit}{at}{cursor}", encode(&args.key));
        let page = client.get(&path)?;
        for row in rows(&page)? {
            screen::say(row.join("\t"));
        }
        left -= limit;
        match page.get("next_cursor").and_then(Value::as_str) {
            Some(next) => cursor = format!("&cursor={}", encode(next)),
            None => break,
        }
    }
    Ok(())
}

/// Profile, user id and since when of each member of an answer.
fn rows(answer: &Value) -> anyhow::Result<Vec<[String; 3]>> {
    let items = answer.get("items").and_then(Value::as_array);
    let items = items.context("the server's answer has no items")?;
    let text = |item: &Value, name: &str| {
        item.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let row = |item: &Value| ["profile", "user_id", "since"].map(|name| text(item, name));
    Ok(items.iter().map(row).collect())
}

fn explain(client: &Client, args: &ExplainArgs) -> anyhow::Result<()> {
    let id = profile::find(client, &args.kind, &args.value)?;
    let at = args.at.map(|at| format!("&at={}", encode(&at.to_string()))).unwrap_or_default();
    let key = encode(&args.key);
    let path = format!("/api/v1/audiences/{key}/explain?profile={}{at}", encode(&id));
    screen::say(told(&args.key, &client.get(&path)?));
    Ok(())
}

/// The answer and the parts of the rule, for reading.
fn told(key: &str, answer: &Value) -> String {
    let text = |of: &Value, name: &str| {
        of.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let since = match answer.get("since").and_then(Value::as_str) {
        Some(since) => format!(" since {since}"),
        None => String::new(),
    };
    let mut lines = vec![match text(answer, "member").as_str() {
        "true" => format!("in {key}{since}"),
        "withheld" => format!("not to be told of {key}, for want of consent"),
        _ => format!("not in {key}"),
    }];
    if let Some(until) = answer.get("valid_until").and_then(Value::as_str) {
        lines.push(format!("  until {until}, if nothing happens"));
    }
    for part in answer.get("parts").and_then(Value::as_array).into_iter().flatten() {
        let mark = match text(part, "truth").as_str() {
            "true" => "✓",
            "false" => "✗",
            _ => "?",
        };
        // A part stands below what it is a part of, a step further in for each level.
        let depth = text(part, "pointer").matches('/').count().div_ceil(2);
        lines.push(format!("  {mark} {}{}", "  ".repeat(depth), text(part, "text")));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    #[test]
    fn an_edit_tells_who_would_enter_and_leave() {
        let exactly = |value: u64| json!({"value": value, "low": value, "high": value});
        let edit = json!({
            "from": 1, "to": 3, "switch": "manual", "progress": {"done": 7, "part": 0.25, "is_complete": false},
            "difference": {
                "enter": exactly(1), "leave": exactly(2000), "stay": exactly(3), "is_exact": true,
                "entering": [{"profile": "p1", "user_id": "u1"}], "leaving": [{"profile": "p2", "user_id": null}],
            },
        });
        expect![[r#"
            vip: version 1 acts; version 3 is computed to 25 % and acts when it is switched to
              1 would enter, 2,000 leave, 3 stay
              + p1  u1
              - p2"#]]
        .assert_eq(&edited("vip", &edit));
    }

    #[test]
    fn a_preview_of_some_says_how_sure_it_is() {
        let exactly = |value: u64| json!({"value": value, "low": value, "high": value});
        let all = json!({
            "count": exactly(2), "withheld": exactly(0), "people": exactly(3), "evaluated": 3, "is_exact": true,
        });
        expect!["vip: 2 of 3 people"].assert_eq(&counted("vip", &all));
        let some = json!({
            "count": {"value": 20_000, "low": 19_000, "high": 21_000}, "withheld": {"value": 40, "low": 11, "high": 90},
            "people": {"value": 1_000_000, "low": 990_000, "high": 1_010_000}, "evaluated": 50_000, "is_exact": false,
        });
        expect![[r#"
            vip: about 20,000 of 1,000,000 people, between 19,000 and 21,000 (95 %), by 50,000 people drawn at random
              40 cannot be told, for want of consent"#]]
        .assert_eq(&counted("vip", &some));
    }

    #[test]
    fn an_explanation_lists_the_parts_below_their_rule() {
        let answer = json!({
            "profile": "p", "member": "false", "since": null, "valid_until": "2026-12-01T00:00:00.000Z",
            "parts": [
                {"pointer": "", "text": "all of 2", "truth": "false"},
                {"pointer": "/all/0", "text": "trait plan is \"pro\", wanted eq \"pro\"", "truth": "true"},
                {"pointer": "/all/1", "text": "not", "truth": "false"},
                {"pointer": "/all/1/not", "text": "count is 3, wanted gte 1", "truth": "true"},
            ],
        });
        expect![[r#"
            not in vip
              until 2026-12-01T00:00:00.000Z, if nothing happens
              ✗ all of 2
              ✓   trait plan is "pro", wanted eq "pro"
              ✗   not
              ✓     count is 3, wanted gte 1"#]]
        .assert_eq(&told("vip", &answer));
    }
}
