//! `concierge backup`: keeps a copy of everything while the server runs, and one of the keys apart from it.

use std::{
    io::Read,
    path::{Path, PathBuf},
    time::Instant,
};

use anyhow::Context as _;

use crate::{
    cli::ClientFlags,
    client::{Call, Client},
    failure::{Failure, Outcome},
    screen::{self, thousands},
    settings::Settings,
    target::Target,
};

const EXAMPLES: &str = "\
Examples:
  concierge backup --to /backup/2026-11-26 --keys-to /other-disk/concierge.keys
  concierge backup --to /backup/2026-11-26 --keys-to /other-disk/concierge.keys --data /var/lib/concierge
                                                                               (no server runs)

The rows are those of one instant, sealed, in a new directory for each backup. The keys open them, so keep them elsewhere. \
There is one file of keys, which each run replaces, so that an erased key is gone with the next run. The token needs the \
scopes `backup` and `backup:keys`.";

/// Arguments of `concierge backup`.
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct BackupArgs {
    #[command(flatten)]
    pub(crate) flags: ClientFlags,
    /// A new directory for the rows
    #[arg(long, value_name = "DIR", required_unless_present = "keys_to")]
    to: Option<PathBuf>,
    /// The file of the keys, which replaces the one before
    #[arg(long, value_name = "FILE")]
    keys_to: Option<PathBuf>,
}

/// Keeps the rows, then the keys, so that the keys open all of them.
pub(crate) fn run(settings: &Settings, args: &BackupArgs) -> Outcome {
    if let (Some(to), Some(keys_to)) = (&args.to, &args.keys_to) {
        require_apart(to, keys_to)?;
    }
    let target = Target::open(settings, &args.flags)?;
    let kept = keep(target.client(), args);
    target.close()?;
    Ok(kept?)
}

fn keep(client: &Client, args: &BackupArgs) -> anyhow::Result<()> {
    if let Some(to) = &args.to {
        keep_rows(client, to)?;
    }
    match &args.keys_to {
        Some(keys_to) => keep_keys(client, keys_to),
        None => {
            screen::note(
                "the keys were not copied, and without them nobody can read the backup: give --keys-to",
            );
            Ok(())
        }
    }
}

fn keep_rows(client: &Client, to: &Path) -> anyhow::Result<()> {
    let started = Instant::now();
    let mut source = client.stream(&Call::get("/api/v1/backup/rows"))?;
    let manifest = engine::backup::receive(&mut source, to)?;
    screen::say(format!(
        "{}: {} rows up to position {} of the log, in {} files, {} MiB, {:.1} s",
        to.display(),
        thousands(manifest.rows()),
        thousands(manifest.about.seq),
        manifest.chunks() + 1,
        manifest.bytes >> 20,
        started.elapsed().as_secs_f64(),
    ));
    Ok(())
}

fn keep_keys(client: &Client, keys_to: &Path) -> anyhow::Result<()> {
    let mut source: Box<dyn Read> = client.stream(&Call::get("/api/v1/backup/keys"))?;
    let kept = store::keyfile::receive(&mut source, keys_to)?;
    let slots = kept.next_slot.saturating_sub(1);
    screen::say(format!("{}: {} key slots", keys_to.display(), thousands(slots)));
    Ok(())
}

/// Whoever has the rows and the keys together has everything, erased people in old keys included.
fn require_apart(to: &Path, keys_to: &Path) -> Result<(), Failure> {
    let absolute = |path: &Path| std::path::absolute(path).context("finding the current directory");
    if absolute(keys_to)?.starts_with(absolute(to)?) {
        return Err(Failure::usage(
            "--keys-to lies within --to: keep the keys apart from the rows, best on another disk",
        ));
    }
    Ok(())
}
