//! `concierge apply`: saves definitions from files, and tells what that changed.

use std::path::PathBuf;

use serde_json::Value;

use crate::{
    cli::ClientFlags,
    client::{Auth, Call, Client, encode},
    failure::Outcome,
    screen,
    settings::Settings,
    target::Target,
};

mod document;

pub(crate) use document::{Document, parse as parse_documents, sort as sort_documents};

const EXAMPLES: &str = "\
Examples:
  concierge apply -f definitions/             (definitions/audiences/vip.json, definitions/placements/home_hero.toml, …)
  concierge apply -f launch.json              (one definition with its \"kind\", or a list of them)
  concierge apply -f definitions/ --dry-run

A definition is saved as a new version only where it differs. Without \"state\" a new one is a draft, and acts on nobody, and a \
known one keeps its state; \"state\": \"live\" puts it live.";

/// Arguments of `concierge apply`.
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ApplyArgs {
    #[command(flatten)]
    pub(crate) flags: ClientFlags,
    /// A file, or a folder with folders named after the kinds
    #[arg(short, long, value_name = "PATH", required = true)]
    file: Vec<PathBuf>,
    /// Tell what would change, and change nothing
    #[arg(long)]
    dry_run: bool,
}

/// What applying a document did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Created,
    Updated,
    Unchanged,
}

impl Change {
    pub(crate) fn word(self, dry_run: bool) -> &'static str {
        match (self, dry_run) {
            (Self::Created, false) => "created",
            (Self::Created, true) => "would be created",
            (Self::Updated, false) => "updated",
            (Self::Updated, true) => "would be updated",
            (Self::Unchanged, _) => "unchanged",
        }
    }
}

/// Applies every document; those that fail are told, and the others are applied all the same.
pub(crate) fn run(settings: &Settings, args: &ApplyArgs) -> Outcome {
    let documents = read_documents(&args.file)?;
    let target = Target::open(settings, &args.flags)?;
    let failed = apply_all(target.client(), &documents, args.dry_run);
    target.close()?;
    match failed {
        0 => Ok(()),
        _ => Err(anyhow::anyhow!(
            "{failed} of {} definitions were not applied: mend them and apply again, what was applied stays unchanged",
            documents.len()
        )
        .into()),
    }
}

/// The documents of all files and folders, each after those that it may refer to.
pub(crate) fn read_documents(paths: &[PathBuf]) -> anyhow::Result<Vec<Document>> {
    let mut documents = Vec::new();
    for path in paths {
        documents.extend(document::read(path)?);
    }
    document::sort(&mut documents);
    Ok(documents)
}

fn apply_all(client: &Client, documents: &[Document], dry_run: bool) -> usize {
    let mut failed = 0;
    let mut to_create: Vec<&Document> = Vec::new();
    for document in documents {
        let name = document.name();
        let changed = if dry_run { compare(client, document) } else { apply(client, document) };
        if dry_run && matches!(changed, Ok(Change::Created)) {
            to_create.push(document);
        }
        match changed {
            Ok(change) => screen::say(format!("{name}: {}", change.word(dry_run))),
            // It cannot be sound while what it names is not there, which applying would change.
            Err(_) if to_create.iter().any(|other| document.mentions(&other.key)) => {
                to_create.push(document);
                screen::say(format!("{name}: checked once what it names is there"));
            }
            Err(error) => {
                failed += 1;
                screen::note(format!("{name}: {error:#}"));
            }
        }
    }
    failed
}

/// Saves a document.
pub(crate) fn apply(client: &Client, document: &Document) -> anyhow::Result<Change> {
    let path = path(document);
    let before =
        client.call(&Call { method: "GET", path: &path, auth: Auth::Token, body: None })?;
    if before.status != 404 {
        before.success(&path)?;
    }
    let body = serde_json::to_vec(&document.body)?;
    let call = Call { method: "PUT", path: &path, auth: Auth::Token, body: Some(&body) };
    let after = client.call(&call)?;
    after.success(&path)?;
    Ok(match before.status {
        404 => Change::Created,
        _ if before.etag.is_some() && before.etag == after.etag => Change::Unchanged,
        _ => Change::Updated,
    })
}

/// Tells what saving a document would do, after the server checked it.
fn compare(client: &Client, document: &Document) -> anyhow::Result<Change> {
    let path = path(document);
    let body = Value::Object(document.body.clone());
    client.post(&format!("{path}/check"), Auth::Token, &body)?;
    Ok(change(known(client, document)?.as_ref(), document))
}

/// What the server has of a document; `None` when it has none.
pub(crate) fn known(client: &Client, document: &Document) -> anyhow::Result<Option<Value>> {
    let path = path(document);
    let answer =
        client.call(&Call { method: "GET", path: &path, auth: Auth::Token, body: None })?;
    if answer.status == 404 { Ok(None) } else { answer.success(&path).map(Some) }
}

/// What saving a document would do over what the server has.
pub(crate) fn change(known: Option<&Value>, document: &Document) -> Change {
    let Some(known) = known else { return Change::Created };
    let is_unchanged = document.body.iter().all(|(name, value)| known.get(name) == Some(value));
    if is_unchanged { Change::Unchanged } else { Change::Updated }
}

fn path(document: &Document) -> String {
    format!("/api/v1/{}/{}", document.kind.plural(), encode(&document.key))
}
