//! `concierge profile`: what is known about a person.

use anyhow::Context as _;
use serde_json::Value;

use crate::{
    cli::ClientFlags,
    client::{Client, encode},
    failure::Outcome,
    screen,
    settings::Settings,
    target::Target,
};

const EXAMPLES: &str = "\
Examples:
  concierge profile user_id u1
  concierge profile email ann@example.org --json

Looking a person up needs a token with the right profiles:read, and stands in the audit log.";

/// Longest value that is printed in full, in characters.
const VALUE_CHARS_MAX: usize = 100;

/// Arguments of `concierge profile`.
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ProfileArgs {
    #[command(flatten)]
    pub(crate) flags: ClientFlags,
    /// `user_id`, `email`, `phone`, `anonymous_id`, `device_id` or `external:<name>`
    #[arg(value_name = "TYPE")]
    kind: String,
    /// The identifier's value
    value: String,
    /// Print the answer of the server as it is
    #[arg(long)]
    json: bool,
}

/// Looks a person up and prints what is known.
pub(crate) fn run(settings: &Settings, args: &ProfileArgs) -> Outcome {
    let target = Target::open(settings, &args.flags)?;
    let found = look_up(target.client(), &args.kind, &args.value);
    target.close()?;
    let profile = found?;
    if args.json {
        screen::say(format!("{profile:#}"));
    } else {
        screen::say(told(&profile));
    }
    Ok(())
}

fn look_up(client: &Client, kind: &str, value: &str) -> anyhow::Result<Value> {
    let (kind, value) = (encode(kind), encode(value));
    client.get(&format!("/api/v1/profiles/lookup?type={kind}&value={value}"))
}

/// The id of the profile that holds an identifier.
pub(crate) fn find(client: &Client, kind: &str, value: &str) -> anyhow::Result<String> {
    let profile = look_up(client, kind, value)?;
    let id = profile.get("id").and_then(Value::as_str).map(str::to_owned);
    id.context("the server's profile has no id")
}

/// The profile for reading: a part for each thing that is known.
fn told(profile: &Value) -> String {
    let id = profile.get("id").and_then(Value::as_str);
    let mut parts = vec![format!("profile {}", id.unwrap_or("without an id"))];
    for (key, words) in [("first_seen", "first seen"), ("last_seen", "last seen")] {
        if let Some(at) = profile.get(key).and_then(Value::as_str) {
            parts.push(format!("  {words} {at}"));
        }
    }
    let mut part = |title: &str, rows: Vec<Vec<String>>| {
        if !rows.is_empty() {
            parts.push(format!("\n{title}\n{}", indented(&screen::table(&rows))));
        }
    };
    part("identifiers", rows(profile.get("identifiers"), &["type", "value"]));
    part("traits: value, source, time", rows(profile.get("traits"), &["value", "source", "at"]));
    part("accounts: id, role, time", rows(profile.get("accounts"), &["id", "role", "at"]));
    part(
        "consents: what was said, whether it is granted",
        rows(profile.get("consents"), &["said", "granted"]),
    );
    part(
        "audiences: member, since, answer valid until",
        rows(profile.get("audiences"), &["member", "since", "valid_until"]),
    );
    part("timeline, newest first", rows(profile.get("timeline"), &["at", "name", "properties"]));
    parts.join("\n")
}

/// Rows of a list of objects, or of an object whose keys are names. Fields that are not asked for are left out.
fn rows(value: Option<&Value>, columns: &[&str]) -> Vec<Vec<String>> {
    match value {
        Some(Value::Array(entries)) => {
            entries.iter().map(|entry| row(None, entry, columns)).collect()
        }
        Some(Value::Object(entries)) => {
            let row = |(name, entry): (&String, &Value)| row(Some(name), entry, columns);
            entries.iter().map(row).collect()
        }
        _ => Vec::new(),
    }
}

fn row(name: Option<&str>, entry: &Value, columns: &[&str]) -> Vec<String> {
    let mut cells: Vec<String> = name.map(str::to_owned).into_iter().collect();
    match entry {
        Value::Object(fields) => {
            let known = columns.iter().filter_map(|column| fields.get(*column));
            cells.extend(known.map(plain));
        }
        other => cells.push(plain(other)),
    }
    cells
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => "-".to_owned(),
        other => cut(&other.to_string()),
    }
}

/// Long values are cut; `--json` has them whole.
fn cut(text: &str) -> String {
    match text.char_indices().nth(VALUE_CHARS_MAX) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

fn indented(text: &str) -> String {
    let lines: Vec<String> = text.lines().map(|line| format!("  {line}")).collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_profile_is_told_part_by_part() {
        let profile = json!({
            "id": "0001",
            "identifiers": [{"type": "user_id", "value": "u1"}, {"type": "anonymous_id", "value": "a1"}],
            "traits": {"plan": {"value": "pro", "source": "web", "at": "2026-01-01T00:00:00.000Z"}},
            "accounts": [{"id": "acme", "role": "admin", "at": "2026-01-01T00:00:00.000Z", "source": "web"}],
            "consents": {"marketing": {"granted": false, "said": "denied"}},
            "audiences": {"vip": {"member": "true", "since": "2026-01-01T00:00:00.000Z", "valid_until": null}},
            "timeline": [{"at": "2026-01-01T00:00:00.000Z", "name": "Order Completed", "properties": {"revenue": 5}}],
        });
        expect![[r#"
            profile 0001

            identifiers
              user_id       u1
              anonymous_id  a1

            traits: value, source, time
              plan  pro  web  2026-01-01T00:00:00.000Z

            accounts: id, role, time
              acme  admin  2026-01-01T00:00:00.000Z

            consents: what was said, whether it is granted
              marketing  denied  false

            audiences: member, since, answer valid until
              vip  true  2026-01-01T00:00:00.000Z  -

            timeline, newest first
              2026-01-01T00:00:00.000Z  Order Completed  {"revenue":5}"#]]
        .assert_eq(&told(&profile));
    }
}
