//! `concierge diff`: what applying definitions from files would change.

use std::path::PathBuf;

use anyhow::{Context as _, anyhow};
use engine::definitions::{Kind, difference};
use serde_json::{Map, Value};

use crate::{
    apply::{self, Change, Document},
    cli::ClientFlags,
    client::Client,
    failure::Outcome,
    screen,
    settings::Settings,
    target::Target,
};

const EXAMPLES: &str = "\
Examples:
  concierge diff -f definitions/
  concierge diff -f definitions/ && echo \"the server has what the files say\"

Exit codes: 0 when applying would change nothing, 1 when it would or when something failed, 2 bad usage.
A field that a file leaves out is not compared, since applying the file leaves it out, too. What only the server has is told and \
counts as no difference, since applying deletes nothing.";

/// Longest value that is printed in full, in characters.
const VALUE_CHARS_MAX: usize = 80;

/// Arguments of `concierge diff`.
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct DiffArgs {
    #[command(flatten)]
    pub(crate) flags: ClientFlags,
    /// A file, or a folder with folders named after the kinds
    #[arg(short, long, value_name = "PATH", required = true)]
    file: Vec<PathBuf>,
}

/// Compares every document with the server, and fails where one differs.
pub(crate) fn run(settings: &Settings, args: &DiffArgs) -> Outcome {
    let documents = apply::read_documents(&args.file)?;
    let target = Target::open(settings, &args.flags)?;
    let compared = compare(target.client(), &documents);
    target.close()?;
    let changes = compared?;
    match changes {
        0 => Ok(()),
        _ => Err(anyhow!(
            "{changes} of {} definitions would change: `concierge apply` does it",
            documents.len()
        )
        .into()),
    }
}

/// Tells each difference, and answers with how many documents would be saved anew.
fn compare(client: &Client, documents: &[Document]) -> anyhow::Result<usize> {
    let mut changes = 0;
    for document in documents {
        let before = apply::known(client, document)?;
        let change = apply::change(before.as_ref(), document);
        if change != Change::Unchanged {
            changes += 1;
            screen::say(format!("{}: {}", document.name(), change.word(true)));
        }
        if let Some(Value::Object(before)) = &before {
            differences(before, document).into_iter().for_each(screen::say);
        }
    }
    for kind in Kind::ALL.into_iter().filter(|kind| kind.is_written_by_people()) {
        for only in only_on_server(client, kind, documents)? {
            screen::say(format!("{}/{only}: only on the server", kind.plural()));
        }
    }
    Ok(changes)
}

/// A line for each place at which the document differs from what the server has.
fn differences(before: &Map<String, Value>, document: &Document) -> Vec<String> {
    let asked = before.iter().filter(|(name, _)| document.body.contains_key(*name));
    let before = asked.map(|(name, value)| (name.clone(), value.clone())).collect();
    let places = difference(Some(&before), Some(&document.body));
    let places = places.as_array().map_or(&[][..], Vec::as_slice);
    let value = |place: &Value, name: &str| place.get(name).map_or("nothing".to_owned(), shown);
    let line = |place: &Value| {
        let pointer = place.get("pointer").and_then(Value::as_str).unwrap_or_default();
        format!("  {pointer}: {} → {}", value(place, "old"), value(place, "new"))
    };
    places.iter().map(line).collect()
}

fn shown(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(VALUE_CHARS_MAX) {
        None => text,
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

fn only_on_server(
    client: &Client,
    kind: Kind,
    documents: &[Document],
) -> anyhow::Result<Vec<String>> {
    let all = crate::export::definitions::all(client, kind).context("listing definitions")?;
    let keys = all.iter().filter_map(|known| known.get("key")?.as_str().map(str::to_owned));
    let is_in_files = |key: &String| {
        documents.iter().any(|document| document.kind == kind && document.key == *key)
    };
    Ok(keys.filter(|key| !is_in_files(key)).collect())
}
