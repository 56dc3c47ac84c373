//! Accounts: which of them people belong to, what is known of each, and how many of its members are in audiences.
//!
//! What was said through a strand lies in that strand's page: that the person belongs to an account, and what the
//! call said of the account. So a merge, a split, an erasure and a replay need nothing of their own. What is asked of
//! an account as a whole is found by an index: which strands told of it, which strand's word on a trait is the newest,
//! how many people belong to it, and how many of them are in which audience.

pub(crate) mod book;
mod count;
mod fold;
pub(crate) mod list;
mod read;
pub(crate) mod record;
mod said;
#[cfg(test)]
mod tests;
pub(crate) mod walk;

pub(crate) use count::{Answer, CountedIn};
pub(crate) use fold::{Accounts, forget};
pub(crate) use read::account;
pub(crate) use record::{belonging, counted_in};

use std::collections::HashMap;

use model::{StrandId, event::Order};
use profile::{Account, accounts::Counted};
use rustc_hash::FxBuildHasher;
use std::sync::Arc;

use crate::{
    keys::{self, Hash16},
    sealed::Keys,
};

/// An account, where there is one.
pub(crate) type SharedAccount = Option<Arc<Account>>;
/// Accounts that changed, by their keyed hash.
pub(crate) type Changed = HashMap<Hash16, SharedAccount, FxBuildHasher>;

/// Names an account.
pub(crate) fn name(keys: &Keys, id: &str) -> Hash16 {
    keys.vault.hash("account", id.as_bytes())
}

/// The rows of the index, all under the account's lane and name.
pub(crate) mod rows {
    use super::{Counted, Hash16, Order, StrandId, keys};

    const MEMBERS: u8 = 0x01;
    const STRAND: u8 = 0x02;
    const TRAIT: u8 = 0x03;
    const COUNT: u8 = 0x04;

    fn named(name: &Hash16, part: u8, rest: &[&[u8]]) -> Vec<u8> {
        let mut key = keys::account(name);
        key.push(part);
        rest.iter().for_each(|rest| key.extend_from_slice(rest));
        key
    }

    /// How many people belong to it.
    pub(crate) fn members(name: &Hash16) -> Vec<u8> {
        named(name, MEMBERS, &[])
    }

    /// The prefix of the strands that told of it.
    pub(crate) fn strands(name: &Hash16) -> Vec<u8> {
        named(name, STRAND, &[])
    }

    /// That a strand told of it.
    pub(crate) fn strand(name: &Hash16, strand: StrandId) -> Vec<u8> {
        named(name, STRAND, &[&keys::strand(strand)])
    }

    /// The prefix of what was said of its traits.
    pub(crate) fn traits(name: &Hash16) -> Vec<u8> {
        named(name, TRAIT, &[])
    }

    /// That a strand said something of a trait; the newest sorts first.
    pub(crate) fn word(name: &Hash16, trait_name: &str, at: Order, strand: StrandId) -> Vec<u8> {
        let newest_first = keys::order(at).map(|byte| !byte);
        named(name, TRAIT, &[&keys::trait_name(trait_name), &newest_first, &keys::strand(strand)])
    }

    /// Reads the hash of the trait and the strand in what follows the prefix of traits.
    pub(crate) fn parse_word(rest: &[u8]) -> Option<([u8; 8], StrandId)> {
        let (trait_name, rest) = rest.split_first_chunk::<8>()?;
        Some((*trait_name, keys::parse_strand(rest.get(16..)?)?))
    }

    /// The prefix of how many are in audiences.
    pub(crate) fn counts(name: &Hash16) -> Vec<u8> {
        named(name, COUNT, &[])
    }

    /// How many are in an audience.
    pub(crate) fn count(name: &Hash16, Counted { audience, version }: &Counted) -> Vec<u8> {
        named(name, COUNT, &[&version.to_be_bytes(), audience.as_str().as_bytes()])
    }

    /// Reads the audience in what follows the prefix of counts.
    pub(crate) fn parse_count(rest: &[u8]) -> Option<Counted> {
        let (version, audience) = rest.split_first_chunk::<4>()?;
        let audience = std::str::from_utf8(audience).ok()?;
        let audience = model::Key::from_stored(audience).ok()?;
        Some(Counted { audience, version: u32::from_be_bytes(*version) })
    }
}
