//! What each type of identifier may do: how strong it is, how many one person has, which values mean nothing.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
};

use compact_str::CompactString;
use model::{Duration, Identifier, IdentifierType};
use serde::{Deserialize, Serialize};

/// Over which time a limit counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Per {
    /// Over the life of the person.
    Ever,
    /// Over every half-open window of this length, in event time of the first observation.
    Window(Duration),
}

/// How many different identifiers of a type one person has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limit {
    /// At most so many.
    pub count: u32,
    /// In this time.
    pub per: Per,
}

/// What identifiers of one type may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TypeRule {
    /// Strength within one event: the smallest number is taken in first, so that the largest is dropped first.
    pub priority: u8,
    /// How many one person has; `None` is unlimited.
    ///
    /// A user id is unique for ever whatever is written here: two of them are two people.
    pub limit: Option<Limit>,
    /// Whether it joins strands at all.
    pub joinable: bool,
    /// Whether it names a thing that people share: it then joins nobody any more once two users were seen with it.
    pub shared: bool,
}

const YEAR: Duration = Duration::days(365);
const WEEK: Duration = Duration::days(7);

const fn rule(priority: u8, count: u32, per: Per) -> TypeRule {
    TypeRule { priority, limit: Some(Limit { count, per }), joinable: true, shared: false }
}

const USER_ID: TypeRule = rule(1, 1, Per::Ever);
const EMAIL: TypeRule = rule(2, 5, Per::Window(YEAR));
const PHONE: TypeRule = rule(3, 5, Per::Window(YEAR));
const EXTERNAL: TypeRule = rule(4, 5, Per::Ever);
const DEVICE_ID: TypeRule = TypeRule { shared: true, ..rule(5, 5, Per::Window(YEAR)) };
const ANONYMOUS_ID: TypeRule = TypeRule { shared: true, ..rule(6, 5, Per::Window(WEEK)) };

/// Placeholders that broken clients send as identifiers, in lower case and without quotes.
const PLACEHOLDERS: [&str; 13] = [
    "-1",
    "null",
    "none",
    "nan",
    "undefined",
    "true",
    "false",
    "anonymous",
    "guest",
    "id",
    "distinct_id",
    "email",
    "[object object]",
];

/// The rules of a workspace's identity graph. The default is the one that fits most shops.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct IdentityRules {
    /// Rules that differ from the default.
    types: BTreeMap<IdentifierType, TypeRule>,
    /// Values that the administrator blocks besides the placeholders, in their comparable form.
    blocked_values: BTreeSet<CompactString>,
}

impl IdentityRules {
    /// The same rules with another one for `kind`.
    #[must_use]
    pub fn with_type(mut self, kind: IdentifierType, rule: TypeRule) -> Self {
        self.types.insert(kind, rule);
        self
    }

    /// The same rules with `value` blocked for every type, in any case and quoted or not: a word of
    /// the organisation's own tests.
    #[must_use]
    pub fn with_blocked(mut self, value: &str) -> Self {
        self.blocked_values.insert(comparable(value).into());
        self
    }

    /// What identifiers of `kind` may do.
    pub fn rule(&self, kind: &IdentifierType) -> TypeRule {
        self.types.get(kind).copied().unwrap_or(match kind {
            IdentifierType::UserId => USER_ID,
            IdentifierType::Email => EMAIL,
            IdentifierType::Phone => PHONE,
            IdentifierType::External(_) => EXTERNAL,
            IdentifierType::DeviceId => DEVICE_ID,
            IdentifierType::AnonymousId => ANONYMOUS_ID,
        })
    }

    /// Whether the value is one that many people share by mistake: empty, only zeros and dashes, a
    /// placeholder, or blocked by the administrator.
    pub fn blocked(&self, identifier: &Identifier) -> bool {
        let mut value = comparable(&identifier.value);
        if identifier.kind == IdentifierType::Phone
            && let Some(number) = value.strip_prefix('+')
        {
            value = Cow::Owned(number.to_owned());
        }
        value.bytes().all(|b| b == b'0' || b == b'-')
            || PLACEHOLDERS.contains(&value.as_ref())
            || self.blocked_values.contains(value.as_ref())
    }
}

/// The form in which values are compared with blocked ones: without surrounding space and quotes, in lower case.
fn comparable(value: &str) -> Cow<'_, str> {
    let meaningless = |c: char| {
        c.is_whitespace()
            || matches!(c, '"' | '\'' | '`' | '\\' | '“' | '”' | '‘' | '’' | '«' | '»')
    };
    let bare = value.trim_matches(meaningless);
    if bare.bytes().any(|b| b.is_ascii_uppercase()) {
        Cow::Owned(bare.to_ascii_lowercase())
    } else {
        Cow::Borrowed(bare)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blocked(kind: IdentifierType, value: &str) -> bool {
        IdentityRules::default().with_blocked("QA-Bot").blocked(&Identifier::new(kind, value))
    }

    #[test]
    fn placeholders_are_blocked_in_any_case_and_any_quotes() {
        for value in [
            "",
            " ",
            "0",
            "000",
            "-",
            "--",
            "0-0",
            "00000000-0000-0000-0000-000000000000",
            "-1",
            "null",
            "NULL",
            "None",
            "NaN",
            "undefined",
            "true",
            "False",
            "Anonymous",
            "guest",
            "ID",
            "distinct_id",
            "email",
            "[object Object]",
            "\"null\"",
            "'undefined'",
            "`0`",
            "\"\"",
            "\\\"null\\\"",
            " 'NaN' ",
            "qa-bot",
            "'QA-BOT'",
        ] {
            for kind in [IdentifierType::UserId, IdentifierType::AnonymousId, IdentifierType::Email]
            {
                assert!(blocked(kind, value), "{value:?}");
            }
        }
        assert!(blocked(IdentifierType::Phone, "+000"));
        assert!(blocked(IdentifierType::Phone, "+"));
    }

    #[test]
    fn what_only_resembles_a_placeholder_is_not_blocked() {
        for value in ["1", "-2", "10", "0x0", "nullify", "ann@guest.org", "id-7", "truelove", "+46"]
        {
            assert!(!blocked(IdentifierType::UserId, value), "{value:?}");
        }
        assert!(!blocked(IdentifierType::Phone, "+46701234567"));
    }

    #[test]
    fn rules_survive_their_stored_form() {
        let rules = IdentityRules::default().with_blocked("x").with_type(
            IdentifierType::External("crm".into()),
            TypeRule { joinable: false, ..IdentityRules::default().rule(&IdentifierType::Email) },
        );
        let text = serde_json::to_string(&rules).unwrap();
        assert_eq!(serde_json::from_str::<IdentityRules>(&text).unwrap(), rules);
        assert!(serde_json::from_str::<IdentityRules>("{}").unwrap() == IdentityRules::default());
    }
}
