//! `concierge audience ready-made`: lists the ready-made audiences, fills one in, previews it, saves it.

use serde_json::{Map, Value, json};

use super::counted;
use crate::{
    client::{Auth, Client, encode},
    screen,
};

#[derive(clap::Args, Debug)]
pub(super) struct ReadyMadeArgs {
    /// Which one; without it all are listed
    key: Option<String>,
    /// A parameter; a value that reads as JSON is taken as JSON, such as `["SE","NO"]`
    #[arg(long, value_name = "NAME=VALUE", value_parser = setting, requires = "key")]
    set: Vec<(String, Value)>,
    /// Tell how many would be in it, in place of writing its documents
    #[arg(long, requires = "key", conflicts_with = "save")]
    preview: bool,
    /// Save it under this key
    #[arg(long, value_name = "AUDIENCE", requires = "key")]
    save: Option<String>,
    /// Put it live at once
    #[arg(long, requires = "save")]
    live: bool,
}

fn setting(text: &str) -> Result<(String, Value), String> {
    let (name, value) = text.split_once('=').ok_or("write NAME=VALUE")?;
    let value = serde_json::from_str(value).unwrap_or_else(|_| value.into());
    Ok((name.to_owned(), value))
}

pub(super) fn run(client: &Client, args: &ReadyMadeArgs) -> anyhow::Result<()> {
    let Some(key) = &args.key else {
        let found = client.get("/api/v1/ready_made_audiences")?;
        screen::say(listed(&found));
        return Ok(());
    };
    let parameters: Map<String, Value> = args.set.iter().cloned().collect();
    let mut body = json!({"parameters": parameters});
    if let Some(audience) = &args.save {
        body["key"] = audience.as_str().into();
        body["state"] = if args.live { "live" } else { "draft" }.into();
        let path = format!("/api/v1/ready_made_audiences/{}/save", encode(key));
        client.post(&path, Auth::Token, &body)?;
        screen::say(format!("audiences/{audience}: created"));
        return Ok(());
    }
    let path = format!("/api/v1/ready_made_audiences/{}/draft", encode(key));
    let filled = client.post(&path, Auth::Token, &body)?;
    if args.preview {
        let asked = json!({
            "condition": filled.pointer("/audience/condition"),
            "computed_traits": filled.get("computed_traits"),
        });
        let path = format!("/api/v1/audiences/{}/preview", encode(key));
        screen::say(counted(key, &client.post(&path, Auth::Token, &asked)?));
    } else {
        screen::say(serde_json::to_string_pretty(&documents(&filled))?);
    }
    Ok(())
}

/// The documents as `concierge apply` reads them from a file.
fn documents(filled: &Value) -> Vec<Value> {
    let of_kind = |kind: &str, document: &Value| {
        let mut document = document.clone();
        document["kind"] = kind.into();
        document
    };
    let computed = filled.get("computed_traits").and_then(Value::as_array).into_iter().flatten();
    let audience = filled.get("audience").into_iter();
    computed
        .map(|document| of_kind("computed_trait", document))
        .chain(audience.map(|document| of_kind("audience", document)))
        .collect()
}

/// Each with its parameters, for reading.
fn listed(page: &Value) -> String {
    let text = |of: &Value, name: &str| {
        of.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let all = |of: &Value, name: &str| of.get(name).and_then(Value::as_array).cloned();
    let mut lines = Vec::new();
    for item in all(page, "items").unwrap_or_default() {
        lines.push(format!("{}: {}", text(&item, "key"), text(&item, "description")));
        for parameter in all(&item, "parameters").unwrap_or_default() {
            let default = match parameter.get("default") {
                Some(Value::String(default)) => format!("={default}"),
                Some(default) => format!("={default}"),
                None => " (must be set)".to_owned(),
            };
            let choices = match parameter.get("of").and_then(Value::as_array) {
                Some(of) => {
                    let of: Vec<&str> = of.iter().filter_map(Value::as_str).collect();
                    format!(": {}", of.join(", "))
                }
                None => String::new(),
            };
            let (name, what) = (text(&parameter, "name"), text(&parameter, "description"));
            lines.push(format!("  {name}{default}  {what}{choices}"));
        }
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    #[test]
    fn values_are_json_where_they_read_as_json() {
        assert_eq!(setting("after=60d"), Ok(("after".into(), json!("60d"))));
        assert_eq!(setting("times=3"), Ok(("times".into(), json!(3))));
        assert_eq!(setting(r#"names=["SE"]"#), Ok(("names".into(), json!(["SE"]))));
        assert!(setting("times").is_err());
    }

    #[test]
    fn all_are_listed_with_what_can_be_set() {
        let page = json!({"items": [{"key": "place", "description": "From a place", "parameters": [
            {"name": "part", "description": "of what", "type": "choice", "of": ["country", "city"], "default": "city"},
            {"name": "names", "description": "the names", "type": "texts"},
        ]}]});
        expect![[r#"
            place: From a place
              part=city  of what: country, city
              names (must be set)  the names"#]]
        .assert_eq(&listed(&page));
    }

    #[test]
    fn documents_are_as_apply_reads_them() {
        let filled = json!({"computed_traits": [{"key": "tier"}], "audience": {"key": "rich"}});
        let expected =
            json!([{"key": "tier", "kind": "computed_trait"}, {"key": "rich", "kind": "audience"}]);
        assert_eq!(json!(documents(&filled)), expected);
    }
}
