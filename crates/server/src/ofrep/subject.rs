//! Whom a flag is evaluated for, and in which situation: what the evaluation context says of both.
//!
//! `targetingKey` is a user id, unless `targetingKeyType` names another type. `userId` and `anonymousId` (or with
//! underscores) and the members of `identifiers` are identifiers as well; all else is the context that conditions ask.

use model::{Identifier, LazyObject, Value, value::Object};

use super::refusal::{Code, Refusal};
use crate::decide::Identifiers;

const TARGETING_KEY: &str = "targetingKey";
const TARGETING_KEY_TYPE: &str = "targetingKeyType";
/// The type of a targeting key that says nothing about it.
const TARGETING_KEY_TYPE_USUAL: &str = "user_id";
/// Members of the context that are identifiers, with their types.
const IDENTIFIERS: [(&str, &str); 4] = [
    ("userId", "user_id"),
    ("user_id", "user_id"),
    ("anonymousId", "anonymous_id"),
    ("anonymous_id", "anonymous_id"),
];
/// The member that has further identifiers by type, as in a decision request.
const FURTHER: &str = "identifiers";

/// What an evaluation context says.
#[derive(Debug)]
pub(super) struct Subject {
    pub(super) identifiers: Vec<Identifier>,
    pub(super) context: LazyObject,
}

impl Subject {
    /// Reads the body of an evaluation request.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, Refusal> {
        let body: Value = serde_json::from_slice(bytes)
            .map_err(|error| Refusal::new(Code::ParseError, format!("not JSON: {error}")))?;
        let Value::Object(mut body) = body else {
            return Err(Refusal::new(Code::ParseError, "the body is a JSON object"));
        };
        match body.remove("context") {
            Some(Value::Object(context)) => Self::of(context),
            Some(_) => Err(Refusal::new(Code::InvalidContext, "`context` is an object")),
            None => Err(Refusal::new(Code::InvalidContext, "the body has no `context`")),
        }
    }

    fn of(mut context: Object) -> Result<Self, Refusal> {
        let (kind, key) = targeting_key(&mut context)?;
        let mut named = Identifiers::default();
        named.add(&kind, &key);
        for (member, name) in IDENTIFIERS {
            let Some(value) = context.remove(member) else { continue };
            if name == kind && value != key {
                let detail = format!(
                    "`{TARGETING_KEY}` is the {kind}, and so is `{member}`: say what it is with \
                     `{TARGETING_KEY_TYPE}`"
                );
                return Err(Refusal::new(Code::InvalidContext, detail));
            }
            if name != kind {
                named.add(name, &value);
            }
        }
        match context.remove(FURTHER) {
            None | Some(Value::Null) => {}
            Some(Value::Object(further)) => {
                further.iter().for_each(|(name, value)| named.add(name, value));
            }
            Some(_) => {
                let detail = format!("`{FURTHER}` is an object of identifiers by type");
                return Err(Refusal::new(Code::InvalidContext, detail));
            }
        }
        let identifiers = named.into_found().map_err(|fault| {
            let detail = format!("{}: {}", fault.pointer, fault.detail);
            Refusal::new(Code::InvalidContext, detail)
        })?;
        Ok(Self { identifiers, context: context.into() })
    }
}

/// The targeting key with its type.
fn targeting_key(context: &mut Object) -> Result<(String, Value), Refusal> {
    let kind = match context.remove(TARGETING_KEY_TYPE) {
        None | Some(Value::Null) => TARGETING_KEY_TYPE_USUAL.to_owned(),
        Some(Value::String(kind)) => kind,
        Some(_) => {
            let detail = format!("`{TARGETING_KEY_TYPE}` is a text, as in `anonymous_id`");
            return Err(Refusal::new(Code::InvalidContext, detail));
        }
    };
    match context.remove(TARGETING_KEY) {
        Some(Value::String(key)) if !key.trim().is_empty() => Ok((kind, Value::String(key))),
        None | Some(Value::Null | Value::String(_)) => {
            let detail = format!("the context has no `{TARGETING_KEY}`");
            Err(Refusal::new(Code::TargetingKeyMissing, detail))
        }
        Some(_) => {
            let detail = format!("`{TARGETING_KEY}` is a text");
            Err(Refusal::new(Code::InvalidContext, detail))
        }
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn check(body: &str, expected: Expect) {
        let told = match Subject::parse(body.as_bytes()) {
            Ok(Subject { identifiers, context }) => {
                let named = identifiers.iter().map(|one| format!("{}:{}", one.kind, one.value));
                let named: Vec<_> = named.collect();
                format!("{} {}", named.join(" "), Value::Object(context.object()))
            }
            Err(refusal) => refusal.to_string(),
        };
        expected.assert_eq(&told);
    }

    #[test]
    fn a_context_names_a_person_and_tells_of_the_situation() {
        check(
            r#"{"context":{"targetingKey":"u1","email":"a@b.se","plan":"pro"}}"#,
            expect![[r#"user_id:u1 {"email":"a@b.se","plan":"pro"}"#]],
        );
        check(
            r#"{"context":{"targetingKey":"a1","targetingKeyType":"anonymous_id","userId":"u1"}}"#,
            expect!["anonymous_id:a1 user_id:u1 {}"],
        );
        check(
            r#"{"context":{"targetingKey":"u1","user_id":"u1","anonymousId":"a1",
                "identifiers":{"external:crm":7,"email":null},"page":{"url":"https://a.se/"}}}"#,
            expect![[
                r#"user_id:u1 anonymous_id:a1 external:crm:7 {"page":{"url":"https://a.se/"}}"#
            ]],
        );
    }

    #[test]
    fn a_context_that_names_nobody_or_two_is_refused() {
        check(
            "{",
            expect!["PARSE_ERROR: not JSON: EOF while parsing an object at line 1 column 1"],
        );
        check("[]", expect!["PARSE_ERROR: the body is a JSON object"]);
        check("{}", expect!["INVALID_CONTEXT: the body has no `context`"]);
        check(r#"{"context":7}"#, expect!["INVALID_CONTEXT: `context` is an object"]);
        for empty in [r#"{}"#, r#"{"targetingKey":" "}"#, r#"{"targetingKey":null}"#] {
            check(
                &format!(r#"{{"context":{empty}}}"#),
                expect!["TARGETING_KEY_MISSING: the context has no `targetingKey`"],
            );
        }
        check(
            r#"{"context":{"targetingKey":7}}"#,
            expect!["INVALID_CONTEXT: `targetingKey` is a text"],
        );
        check(
            r#"{"context":{"targetingKey":"a1","userId":"u1"}}"#,
            expect![
                "INVALID_CONTEXT: `targetingKey` is the user_id, and so is `userId`: say what it is with `targetingKeyType`"
            ],
        );
        check(
            &format!(r#"{{"context":{{"targetingKey":"{}"}}}}"#, "x".repeat(513)),
            expect!["INVALID_CONTEXT: /identifiers/user_id: an identifier has at most 512 bytes"],
        );
        check(
            r#"{"context":{"targetingKey":"a1","identifiers":[]}}"#,
            expect!["INVALID_CONTEXT: `identifiers` is an object of identifiers by type"],
        );
    }
}
