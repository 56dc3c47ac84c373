//! Conditions on accounts.

use super::{MAX_PARTS, Reader, comparison, condition};
use crate::{
    Key, Value,
    condition::{AccountTest, Belonging, Condition, Quota, Which},
    value::Object,
};

/// What may be asked of an account.
const OF_ACCOUNTS: [&str; 7] = ["all", "any", "not", "at_least", "trait", "membership", "members"];

/// Whether a kind of condition may stand here: some are only asked of an account, and of an account only some are.
pub(super) fn may_stand(reader: &Reader, kind: &str) -> bool {
    match reader.in_account() {
        true => OF_ACCOUNTS.contains(&kind),
        false => !matches!(kind, "membership" | "members"),
    }
}

/// The same, and says where it may stand if it may not.
pub(super) fn is_at_place(reader: &mut Reader, kind: &str) -> bool {
    match reader.in_account() {
        _ if may_stand(reader, kind) => true,
        true => {
            let known = OF_ACCOUNTS.join(", ");
            reader.fault(format!("`{kind}` is not asked of an account; there are {known}"));
            false
        }
        false => {
            reader.fault(format!(
                "`{kind}` is asked of an account, as in {{\"account\":\"any\",\"where\":[{{\"{kind}\":…}}]}}"
            ));
            false
        }
    }
}

pub(super) fn read(reader: &mut Reader, object: &Object, depth: usize) -> Option<Condition> {
    let which = object.get("account").and_then(Value::as_str).and_then(Which::parse);
    if which.is_none() {
        let words = Which::ALL.map(|(_, word)| word).join(", ");
        reader.fault_at("account", format!("`account` is one of {words}"));
    }
    let conditions = match object.get("where") {
        None => Some(Vec::new()),
        Some(list) => reader.inside("where", |reader| {
            reader.of_account(|reader| {
                reader.list(list, MAX_PARTS, "conditions", |reader, part| {
                    condition(reader, part, depth + 1)
                })
            })
        }),
    };
    Some(Condition::Account(Box::new(AccountTest { which: which?, conditions: conditions? })))
}

/// What is known of the person's belonging to the account.
pub(super) fn belonging(reader: &mut Reader, object: &Object) -> Option<Condition> {
    let of = object.get("membership").and_then(Value::as_str).and_then(Belonging::parse);
    if of.is_none() {
        let words = Belonging::ALL.map(|(_, word)| word).join(", ");
        reader.fault_at("membership", format!("`membership` is one of {words}"));
    }
    let test = comparison::test(reader, object, &[]);
    Some(Condition::Belonging { of: of?, test: test? })
}

/// How many of its members are in an audience.
pub(super) fn members(reader: &mut Reader, object: &Object) -> Option<Condition> {
    let quota = quota(reader, object);
    let audience = reader.parsed::<Key>(object, "in", "`in` is the key of an audience");
    Some(Condition::Members { quota: quota?, audience: audience? })
}

fn quota(reader: &mut Reader, object: &Object) -> Option<Quota> {
    let word = object.get("members").and_then(Value::as_str).unwrap_or_default();
    let count = object.get("count");
    if word == "at_least" {
        let count = count.and_then(Value::as_u64).and_then(|count| u32::try_from(count).ok());
        let count = count.filter(|count| *count > 0);
        if count.is_none() {
            reader.fault_at("count", "`count` is a whole number from 1 on");
        }
        return count.map(Quota::AtLeast);
    }
    if count.is_some() {
        reader.fault_at("count", "`count` goes with `at_least` only");
    }
    let quota = match word {
        "any" => Some(Quota::AtLeast(1)),
        "all" => Some(Quota::All),
        "none" => Some(Quota::None),
        _ => {
            reader.fault_at("members", "`members` is one of any, all, none, at_least");
            None
        }
    };
    quota.filter(|_| count.is_none())
}
