//! `concierge restore`: makes a data directory of a backup and its keys, or only tells whether it could.

use std::path::PathBuf;

use anyhow::Context as _;
use engine::backup::{Manifest, OldKeys};

use crate::{
    failure::{Failure, Outcome},
    screen::{self, thousands},
};

const EXAMPLES: &str = "\
Examples:
  concierge restore --from /backup/2026-11-26 --keys /other-disk/concierge.keys --data /var/lib/concierge
  concierge restore --verify --from /backup/2026-11-26 --keys /other-disk/concierge.keys

The data directory must not be there yet. It appears only when every file of the backup was checked and everything that \
was written reads back the same.";

/// Arguments of `concierge restore`.
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct RestoreArgs {
    /// The directory of the backup
    #[arg(long, value_name = "DIR")]
    from: PathBuf,
    /// The newest file of the keys
    #[arg(long, value_name = "FILE", required_unless_present = "verify")]
    keys: Option<PathBuf>,
    /// The data directory to make
    #[arg(long, value_name = "DIR", required_unless_present = "verify", conflicts_with = "verify")]
    data: Option<PathBuf>,
    /// Read all of the backup and of the keys, tell whether they are sound, and make nothing
    #[arg(long)]
    verify: bool,
    /// Restore with keys that are older than the backup: what the missing ones sealed stays unreadable for good
    #[arg(long)]
    accept_old_keys: bool,
}

/// Restores or verifies.
pub(crate) fn run(args: &RestoreArgs) -> Outcome {
    let RestoreArgs { from, keys, data, .. } = args;
    let old_keys = if args.accept_old_keys { OldKeys::Accept } else { OldKeys::Refuse };
    match (keys, data) {
        (Some(keys), Some(data)) => {
            let restored = engine::backup::restore(from, keys, data, old_keys);
            let manifest = restored.context("nothing was restored")?;
            screen::say(format!("{}: {}", data.display(), told(&manifest)));
        }
        (Some(keys), None) => {
            let manifest = engine::backup::verify(from, keys, old_keys);
            let manifest = manifest.context("it could not be restored")?;
            screen::say(format!("{} and its keys are sound: {}", from.display(), told(&manifest)));
        }
        (None, None) => {
            let manifest = engine::backup::check(from).context("it could not be restored")?;
            let sound = "is sound, its keys were not looked at";
            screen::say(format!("{} {sound}: {}", from.display(), told(&manifest)));
        }
        (None, Some(_)) => return Err(Failure::usage("a restore needs the keys: give --keys")),
    }
    Ok(())
}

fn told(manifest: &Manifest) -> String {
    format!(
        "{} rows up to position {} of the log, as of {}",
        thousands(manifest.rows()),
        thousands(manifest.about.seq),
        manifest.about.created_at
    )
}
