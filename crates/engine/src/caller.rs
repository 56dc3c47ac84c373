//! Who calls, as far as the call itself tells.

use std::net::IpAddr;

/// What a call shows of who made it, beside what it says; nothing where that is not the person: a server's
/// call, an import.
#[derive(Clone, Copy, Debug, Default)]
pub struct Caller<'a> {
    /// The address it came from.
    pub ip: Option<IpAddr>,
    /// The name that its program gives itself.
    pub user_agent: Option<&'a str>,
    /// Whether other headers tell that no person is there: one that gives the address of a crawler's operator, or
    /// one that names a browser without a screen.
    pub is_automatic: bool,
}
