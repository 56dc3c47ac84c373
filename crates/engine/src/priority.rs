//! Which threads go first where there is not enough time for all.

/// How much behind decisions the writer and the reader run: a third of the time where there is not
/// enough for all. Somebody waits for a decision to see a page; events are queued anyway.
#[cfg(target_os = "linux")]
const NICENESS: i32 = 5;

/// Lets the calling thread run behind those that answer requests. Where the system does not allow
/// it, they share the cores alike.
pub fn yield_to_requests() {
    // On Linux the priority is that of a thread, and no process id means the calling one.
    #[cfg(target_os = "linux")]
    rustix::process::setpriority_process(None, NICENESS).ok();
}

/// How much behind the writer those run who keep copies of what it has committed: a tenth of the time where there is
/// not enough for all. They catch up when there is.
#[cfg(target_os = "linux")]
const NICENESS_OF_FOLLOWERS: i32 = 12;

/// Lets the calling thread run behind all others.
pub(crate) fn yield_to_all() {
    #[cfg(target_os = "linux")]
    rustix::process::setpriority_process(None, NICENESS_OF_FOLLOWERS).ok();
}
