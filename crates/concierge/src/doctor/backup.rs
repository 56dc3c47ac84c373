//! Whether there is a backup that could be restored, and how old it is.

use std::path::Path;

use engine::{
    Clock as _, SystemClock,
    backup::{self, OldKeys},
};
use model::{Duration, Timestamp};

use super::{Finding, Mark, with_causes};

/// A backup older than this is told as wrong: whoever makes none for a week has lost sight of it.
const AGE_MAX: Duration = Duration::days(7);

/// Reads all of a backup and, where they are named, its keys.
pub(super) fn examine(dir: &Path, keys: Option<&Path>) -> Vec<Finding> {
    let checked = match keys {
        Some(keys) => backup::verify(dir, keys, OldKeys::Refuse),
        None => backup::check(dir),
    };
    let manifest = match checked {
        Ok(manifest) => manifest,
        Err(error) => return vec![Finding::new(Mark::Wrong, with_causes(&error))],
    };
    let verified = match keys {
        Some(_) => {
            Finding::new(Mark::Fine, format!("backup {} and its keys are sound", dir.display()))
        }
        None => Finding::new(
            Mark::Note,
            format!("backup {} is sound; name its keys with --keys to check them", dir.display()),
        ),
    };
    vec![verified, age(&manifest.about.created_at, SystemClock.now())]
}

fn age(made: &str, now: Timestamp) -> Finding {
    let Ok(at) = made.parse::<Timestamp>() else {
        return Finding::new(
            Mark::Wrong,
            format!("the backup was made at `{made}`, which is no time"),
        );
    };
    let age = now.since(at);
    let text = format!("the backup is {} hours old ({made})", age.0 / Duration::hours(1).0);
    if age <= AGE_MAX {
        Finding::new(Mark::Fine, text)
    } else {
        Finding::new(Mark::Wrong, format!("{text}: make a new one with `concierge backup`"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_backup_is_wrong() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let made = "2026-11-20T06:00:00.000Z";
        let fresh = age(made, at("2026-11-21T08:30:00Z"));
        assert_eq!((fresh.mark, fresh.text.contains("26 hours")), (Mark::Fine, true));
        let old = age(made, at("2026-11-27T06:00:00.001Z"));
        assert_eq!((old.mark, old.text.contains("concierge backup")), (Mark::Wrong, true));
        assert_eq!(age("yesterday", at(made)).mark, Mark::Wrong);
    }
}
