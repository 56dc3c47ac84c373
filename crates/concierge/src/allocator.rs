//! How the server uses the allocator, which takes its settings from the environment and reads them
//! before `main`.

/// What the server asks for; whoever sets these decides otherwise.
///
/// State is reached at random, and in a virtual machine an address that is in no translation buffer
/// costs two walks through tables: huge pages, where the system grants them on request, take an
/// eighth off the cost of an event for some 80 MiB more at rest. Memory that is free goes back to
/// the system after ten seconds instead of one, since a busy server asks for it again at once.
#[cfg(unix)]
const SETTINGS: [(&str, &str); 2] =
    [("MIMALLOC_ALLOW_LARGE_OS_PAGES", "1"), ("MIMALLOC_PURGE_DELAY", "10000")];

/// Starts this program anew in its own place, with the same arguments and settings of the allocator
/// that suit a server, unless it was started so. To be called before there is anything that would be lost.
///
/// Where that is not possible, the program goes on as it is.
pub(crate) fn suit_a_server() {
    #[cfg(unix)]
    {
        use std::{env, os::unix::process::CommandExt, process::Command};

        let missing = SETTINGS.into_iter().filter(|(name, _)| env::var_os(name).is_none());
        let missing: Vec<_> = missing.collect();
        let mut arguments = env::args_os();
        let (Some(name), Ok(program)) = (arguments.next(), env::current_exe()) else { return };
        if missing.is_empty() {
            return;
        }
        let mut command = Command::new(program);
        let error = command.arg0(name).args(arguments).envs(missing).exec();
        tracing::warn!(%error, "could not start anew with other settings of the allocator");
    }
}
