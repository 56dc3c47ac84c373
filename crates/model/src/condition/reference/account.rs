//! What is asked of accounts.

use super::{Possible, compared, possible as any_possible};
use crate::{
    Key, Timestamp, Value,
    condition::{Fact, Facts, Share, account::inside},
};

/// The answer to a condition on accounts; `None` when it is another one.
pub(super) fn possible(document: &Value, facts: &dyn Facts, now: Timestamp) -> Option<Possible> {
    if let Some(which) = document.get("account") {
        return Some(of_person(document, which.as_str()?, facts, now));
    }
    let account = facts.this_account();
    if let Some(of) = document.get("membership") {
        let fact = match account {
            Some(account) if of == "role" => account.role(),
            Some(account) => Fact::Known(account.id()),
            None => Fact::Missing,
        };
        return Some(compared(document, fact));
    }
    let quota = document.get("members")?;
    let audience = document["in"].as_str().and_then(|key| key.parse::<Key>().ok())?;
    let share = account.map(|account| account.share(&audience)).unwrap_or_default();
    Some(of_members(quota.as_str()?, document["count"].as_u64(), share))
}

fn of_person(document: &Value, which: &str, facts: &dyn Facts, now: Timestamp) -> Possible {
    let conditions = document["where"].as_array().cloned().unwrap_or_default();
    let all = serde_json::json!({ "all": conditions });
    let answers: Vec<Possible> = (0..)
        .map_while(|place| facts.account(place))
        .map(|account| match account {
            Fact::Known(account) => any_possible(&all, &inside(account, facts), now),
            Fact::Missing => Possible::exactly(false),
            Fact::Withheld => Possible::EITHER,
        })
        .collect();
    let mut all_of = answers.iter();
    match which {
        "any" => Possible { yes: all_of.any(|one| one.yes), no: answers.iter().all(|one| one.no) },
        "all" => Possible { yes: all_of.all(|one| one.yes), no: answers.iter().any(|one| one.no) },
        "none" => Possible { yes: all_of.all(|one| one.no), no: answers.iter().any(|one| one.yes) },
        _ => answers.first().copied().unwrap_or(Possible::exactly(false)),
    }
}

/// Every way in which those could turn out of whom it is not known is tried.
fn of_members(quota: &str, count: Option<u64>, share: Share) -> Possible {
    let unknown = share.members.saturating_sub(share.inside).saturating_sub(share.outside);
    let ways = (0..=unknown).map(|more| {
        let (inside, outside) = (share.inside + more, share.outside + unknown - more);
        match quota {
            "any" => inside > 0,
            "all" => outside == 0,
            "none" => inside == 0,
            _ => count.is_some_and(|count| u64::from(inside) >= count),
        }
    });
    Possible::among(ways)
}
