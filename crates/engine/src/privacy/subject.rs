//! Whom a request is about.

use std::{collections::BTreeSet, sync::Arc};

use model::{Identifier, IdentifierType, StrandId};
use profile::IdentityRules;

use crate::{
    join,
    keys::Kind,
    load,
    page::{Page, Pages},
    record::{StoredEvent, StoredMeta, decode},
    route,
    sealed::{Address, RowError},
};

/// Most strands that are looked at to find who has an identifier.
const HOLDERS_MAX: usize = 10_000;

/// The people a request is about.
#[derive(Debug, Default)]
pub(crate) struct Subject {
    pub(crate) heads: BTreeSet<StrandId>,
    /// The pages of all their strands.
    pub(crate) pages: Vec<Arc<Page>>,
    /// What they are known by, in normal form: what joined them, and what their strands were opened by.
    pub(crate) identifiers: BTreeSet<Identifier>,
}

impl Subject {
    /// Everyone who has an identifier; `None` when it is one that names nobody, such as `undefined`.
    ///
    /// Whoever was merely seen with it, and was not joined by it, does not have it.
    pub(crate) fn of(
        pages: &dyn Pages,
        rules: &IdentityRules,
        identifier: &Identifier,
    ) -> Result<Option<Self>, RowError> {
        let normalised = identifier.normalised();
        if rules.blocked(&normalised) {
            return Ok(None);
        }
        let mut subject = Self::default();
        let hash = pages.keys().identifier(&normalised);
        let lane = route::holder_lane(&normalised);
        for strand in route::holders(pages.reader(), lane, &hash, HOLDERS_MAX)? {
            let page = pages.existing(strand)?;
            // Of somebody who refused everything no links are kept, but who refused.
            if page.get(Kind::Link, &hash).is_none_or(|link| link.first() == Some(&0)) {
                subject.heads.insert(page.meta().head);
            }
        }
        if let Some(address) = Address::of(std::slice::from_ref(identifier), pages.keys())
            && let Some(strand) = route::strand(pages.reader(), address.lane, &address.pair)?
        {
            subject.heads.insert(pages.existing(strand)?.meta().head);
        }
        subject.identifiers.insert(normalised);
        subject.take_in_all(pages)?;
        Ok(Some(subject))
    }

    /// The one person with this head.
    pub(crate) fn of_person(pages: &dyn Pages, head: StrandId) -> Result<Self, RowError> {
        let mut subject = Self { heads: BTreeSet::from([head]), ..Self::default() };
        subject.take_in_all(pages)?;
        Ok(subject)
    }

    fn take_in_all(&mut self, pages: &dyn Pages) -> Result<(), RowError> {
        for head in self.heads.clone() {
            for strand in load::component_strands(pages, head)? {
                self.take_in(pages, strand)?;
            }
        }
        Ok(())
    }

    fn take_in(&mut self, pages: &dyn Pages, strand: StrandId) -> Result<(), RowError> {
        let page = pages.existing(strand)?;
        for observation in join::links_of(&page)? {
            if observation.refused.is_none() {
                self.identifiers.insert(observation.link.identifier);
            }
        }
        let (routing, user) = opened_by(&page)?;
        self.identifiers.insert(user.unwrap_or(routing).normalised());
        self.pages.push(page);
        Ok(())
    }
}

/// What a strand was opened by: the routing identifier, and the user id if there was one.
pub(crate) fn opened_by(page: &Page) -> Result<(Identifier, Option<Identifier>), RowError> {
    let row = page.get(Kind::Meta, &[]).ok_or(crate::record::Unreadable("strand"))?;
    let StoredMeta::V1 { routing, user, .. } = decode(row, "strand")?;
    Ok((routing, user))
}

/// What may be identifiers in something that was set aside: everything in it that is a text or a whole
/// number, as each type that an event may carry.
pub(crate) fn named_in(body: &[u8]) -> Vec<Identifier> {
    if let Ok(value) = serde_json::from_slice::<model::Value>(body) {
        let mut found = Vec::new();
        collect(&value, &mut found);
        return found;
    }
    if let Ok(StoredEvent::V1 { identifiers, .. }) = decode(body, "event") {
        return identifiers.into_owned();
    }
    let text = String::from_utf8_lossy(body);
    let is_between = |c: char| c.is_whitespace() || "\"'{}[](),:;=".contains(c);
    let mut found = Vec::new();
    text.split(is_between).for_each(|word| add_all(word, &mut found));
    found
}

fn collect(value: &model::Value, found: &mut Vec<Identifier>) {
    use model::Value;
    match value {
        Value::String(text) => add_all(text, found),
        Value::Number(number) => add_all(&number.to_string(), found),
        Value::Array(values) => values.iter().for_each(|value| collect(value, found)),
        Value::Object(members) => {
            let text = |name: &str| members.get(name).and_then(Value::as_str);
            if let (Some(kind), Some(id)) = (text("type"), text("id"))
                && let Some(kind) = IdentifierType::parse(&format!("external:{kind}"))
            {
                found.push(Identifier::new(kind, id));
            }
            members.values().for_each(|value| collect(value, found));
        }
        Value::Null | Value::Bool(_) => {}
    }
}

fn add_all(text: &str, found: &mut Vec<Identifier>) {
    if text.is_empty() || IdentifierType::MAX_VALUE_BYTES < text.len() {
        return;
    }
    use IdentifierType::{AnonymousId, DeviceId, Email, Phone, UserId};
    for kind in [UserId, AnonymousId, Email, Phone, DeviceId] {
        found.push(Identifier::new(kind, text));
    }
}
