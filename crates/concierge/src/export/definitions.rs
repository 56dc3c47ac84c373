//! Exporting definitions: one file for each, as `apply` takes them back.

use std::{fs, path::PathBuf};

use anyhow::Context as _;
use engine::definitions::Kind;
use serde_json::{Map, Value};

use crate::{client::Client, screen};

/// What the server adds to a document when it is read.
const READ_ONLY: [&str; 3] = ["version", "updated_at", "updated_by"];

#[derive(clap::Args, Clone, Debug)]
pub(crate) struct DefinitionsArgs {
    /// The folder; files of the same names in it are replaced
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
}

/// Writes every definition of the server.
pub(super) fn write(client: &Client, args: &DefinitionsArgs) -> anyhow::Result<()> {
    for kind in Kind::ALL.into_iter().filter(|kind| kind.is_written_by_people()) {
        let documents = all(client, kind)?;
        if documents.is_empty() {
            continue;
        }
        let folder = args.to.join(kind.plural());
        fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        for document in &documents {
            let key = document.get("key").and_then(Value::as_str);
            let key = key.context("the server's definition has no key")?;
            let path = folder.join(format!("{key}.json"));
            let text = format!("{:#}\n", Value::Object(document.clone()));
            fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        }
        screen::say(format!("{}: {}", folder.display(), documents.len()));
    }
    Ok(())
}

/// All definitions of a kind, without what only the server says.
pub(crate) fn all(client: &Client, kind: Kind) -> anyhow::Result<Vec<Map<String, Value>>> {
    let mut documents = Vec::new();
    let mut cursor = String::new();
    loop {
        let mut page = client.get(&format!("/api/v1/{}?limit=500{cursor}", kind.plural()))?;
        let items = page.get_mut("items").and_then(Value::as_array_mut).map(std::mem::take);
        for item in items.context("the server's answer has no items")? {
            let Value::Object(mut document) = item else { continue };
            READ_ONLY.iter().for_each(|name| {
                document.remove(*name);
            });
            documents.push(document);
        }
        match page.get("next_cursor").and_then(Value::as_str) {
            Some(next) => cursor = format!("&cursor={}", crate::client::encode(next)),
            None => return Ok(documents),
        }
    }
}
