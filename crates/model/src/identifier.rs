//! Identifiers: the names under which a person is seen.

use std::fmt;

use compact_str::CompactString;
use serde::{Deserialize, Serialize};

/// What kind of name an identifier is.
///
/// Written `user_id`, `email`, `phone`, `anonymous_id`, `device_id`, or `external:<name>` for any other.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum IdentifierType {
    /// The organisation's own id of a known person.
    UserId,
    /// E-mail address.
    Email,
    /// Telephone number.
    Phone,
    /// A browser's or installation's id of a visitor nobody has named yet.
    AnonymousId,
    /// Device or advertising id.
    DeviceId,
    /// A foreign system's id; the name is 1–64 of `a-z 0-9 _ -`.
    External(CompactString),
}

impl IdentifierType {
    /// Longest identifier value, in bytes.
    pub const MAX_VALUE_BYTES: usize = 512;

    /// Whether it says who somebody is, which may want proof, and not only on which device they are.
    pub fn is_claim(&self) -> bool {
        !matches!(self, Self::AnonymousId | Self::DeviceId)
    }

    /// Parses the written form; `None` when it names no type.
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "user_id" => Self::UserId,
            "email" => Self::Email,
            "phone" => Self::Phone,
            "anonymous_id" => Self::AnonymousId,
            "device_id" => Self::DeviceId,
            _ => {
                let name = text.strip_prefix("external:")?;
                name.parse::<crate::Key>().ok()?;
                Self::External(name.into())
            }
        })
    }
}

impl fmt::Display for IdentifierType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UserId => f.write_str("user_id"),
            Self::Email => f.write_str("email"),
            Self::Phone => f.write_str("phone"),
            Self::AnonymousId => f.write_str("anonymous_id"),
            Self::DeviceId => f.write_str("device_id"),
            Self::External(name) => write!(f, "external:{name}"),
        }
    }
}

impl Serialize for IdentifierType {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for IdentifierType {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = CompactString::deserialize(deserializer)?;
        Self::parse(&text)
            .ok_or_else(|| serde::de::Error::custom(format!("`{text}` is not an identifier type")))
    }
}

impl schemars::JsonSchema for IdentifierType {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "IdentifierType".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "pattern": "^(user_id|email|phone|anonymous_id|device_id|external:[a-z0-9][a-z0-9_-]{0,63})$"
        })
    }
}

/// One name of one person, as sent.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Identifier {
    /// What kind of name it is.
    #[serde(rename = "type")]
    pub kind: IdentifierType,
    /// The value as sent, at most [`IdentifierType::MAX_VALUE_BYTES`] long.
    pub value: CompactString,
}

impl Identifier {
    /// An identifier of `kind` with `value`.
    pub fn new(kind: IdentifierType, value: impl Into<CompactString>) -> Self {
        Self { kind, value: value.into() }
    }

    /// The form under which equal identifiers meet: e-mail lower-cased and trimmed, phone reduced
    /// to digits and a leading `+`, the others as sent.
    pub fn normalised(&self) -> Self {
        let value = match self.kind {
            IdentifierType::Email => self.value.trim().to_lowercase().into(),
            IdentifierType::Phone => {
                let kept = |(i, c): (usize, char)| c.is_ascii_digit() || (i == 0 && c == '+');
                let trimmed = self.value.trim();
                trimmed.char_indices().filter(|&pair| kept(pair)).map(|(_, c)| c).collect()
            }
            _ => self.value.clone(),
        };
        Self { kind: self.kind.clone(), value }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn normal_forms_meet() {
        let email = Identifier::new(IdentifierType::Email, " Ann@Example.ORG ");
        assert_eq!(email.normalised().value, "ann@example.org");
        let phone = Identifier::new(IdentifierType::Phone, "+46 (0)70-123 45 67");
        assert_eq!(phone.normalised().value, "+460701234567");
    }

    #[test]
    fn types_survive_their_text_form() {
        for text in ["user_id", "email", "phone", "anonymous_id", "device_id", "external:crm"] {
            assert_eq!(IdentifierType::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(IdentifierType::parse("external:"), None);
        assert_eq!(IdentifierType::parse("shoe_size"), None);
    }
}
