//! What a decision may read of a person, for the purpose it names.

#[cfg(test)]
mod tests;

use model::{
    Basis, Consents, Country, Key, Purpose, UnitId, Value,
    condition::{EventName, Fact, Rows},
    consent::PurposeKey,
    value::{Object, Path},
};

use crate::{AccountView, Around, Assignment, Profile, PurposePolicy, Records, TraitValue};

/// A person through one purpose: the only door to a person's data for whatever decides.
///
/// If the purpose is not granted now, everything is withheld. If it is, what was collected without
/// it stays withheld, because a grant is never retroactive. The service purpose opens nothing here;
/// its checks have [`ServiceView`].
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    records: &'a Records,
    policy: &'a PurposePolicy,
    purpose: Purpose,
    /// The device the person is met on, if it is known.
    device: Option<UnitId>,
    /// What the request itself says; it only narrows.
    request: Consents,
    /// Where the person is: in the request's country if it names one, else where they were seen last.
    country: Option<Country>,
    /// Whether the purpose is granted now: worked out once, because every condition asks.
    granted: bool,
}

impl<'a> View<'a> {
    /// The person as a whole, as audiences and timers see them.
    pub fn new(profile: &'a Profile, policy: &'a PurposePolicy, purpose: Purpose) -> Self {
        let request = Consents::default();
        let records = profile.records();
        let country = records.country.map(|seen| seen.country);
        Self { records, policy, purpose, device: None, request, country, granted: false }.settled()
    }

    /// The same person met on this device: a grant that only another device gave no longer counts.
    #[must_use]
    pub fn on_device(self, device: UnitId) -> Self {
        Self { device: Some(device), ..self }.settled()
    }

    /// The same person where the request itself says so much about consent: what it denies is
    /// denied, what it grants changes nothing.
    #[must_use]
    pub fn narrowed(self, request: Consents) -> Self {
        Self { request, ..self }.settled()
    }

    /// The same person met in this country.
    #[must_use]
    pub fn in_country(self, country: Country) -> Self {
        Self { country: Some(country), ..self }.settled()
    }

    fn settled(self) -> Self {
        Self { granted: self.grants(self.purpose), ..self }
    }

    /// The purpose it is for.
    pub fn purpose(&self) -> Purpose {
        self.purpose
    }

    /// Whether the purpose is granted now.
    pub fn granted(&self) -> bool {
        self.granted
    }

    /// Where the person is, as far as is known.
    pub fn country(&self) -> Option<Country> {
        self.country
    }

    /// What the person said about the purpose: the consent basis that a decision records.
    pub fn basis(&self) -> Basis {
        self.basis_of(self.purpose)
    }

    fn basis_of(&self, purpose: Purpose) -> Basis {
        if self.request.basis(purpose) == Basis::Denied {
            return Basis::Denied;
        }
        match self.device {
            Some(device) => self.records.consents.basis_on(device, purpose),
            None => self.records.consents.basis(purpose),
        }
    }

    fn grants(&self, purpose: Purpose) -> bool {
        !self.records.restricted
            && self.policy.effective(self.basis_of(purpose), purpose, self.country)
    }

    /// Whether personal data may be read at all.
    fn open(&self) -> bool {
        self.purpose != Purpose::SERVICE && self.granted
    }

    /// The value of one trait, if it may be read; `null`, which a removed trait has, is no value.
    fn read(&self, value: &'a TraitValue) -> Fact<&'a Value> {
        readable(value, self.purpose)
    }

    /// What holds of a trait: what the person has put right, else what sources say.
    fn known(&self, name: &str) -> Option<&'a TraitValue> {
        self.records.stated.get(name).or_else(|| self.records.traits.get(name))
    }

    /// The value at a path: its first part names the trait, the rest leads into the value. A trait
    /// whose name contains the dots is found before.
    pub fn trait_value(&self, path: &Path) -> Fact<&'a Value> {
        if !self.open() {
            return Fact::Withheld;
        }
        found(path, self.purpose, |name| self.known(name))
    }

    /// The accounts that the person belongs to, the one that was told of last first.
    ///
    /// Where it may not be read whether they belong to one, that account is withheld.
    pub fn accounts(&self, around: Around<'a>) -> Vec<Fact<AccountView<'a>>> {
        if !self.open() {
            return vec![Fact::Withheld];
        }
        let all = self.records.accounts.newest_first().into_iter();
        let seen = all.filter_map(|said| match said.origin.purposes.contains(self.purpose) {
            false => Some(Fact::Withheld),
            true if said.is_member => {
                Some(Fact::Known(AccountView::new(said, around, self.purpose)))
            }
            true => None,
        });
        seen.collect()
    }

    /// The events of a name. Rows collected without the purpose are among them with their time, so
    /// that conditions over them come out withheld instead of false.
    pub fn events(&self, name: &EventName) -> Fact<Rows<'a>> {
        if !self.open() {
            return Fact::Withheld;
        }
        let rows = self.records.timeline.rows(name, self.purpose);
        if rows.rows.is_empty() && !rows.overflow { Fact::Missing } else { Fact::Known(rows) }
    }

    /// Whether a purpose is granted now, by statement or by default; `None` when there is no such purpose.
    pub fn consents_to(&self, purpose: &PurposeKey) -> Option<bool> {
        self.policy.find(purpose).map(|purpose| self.grants(purpose))
    }

    /// What traffic buckets hash.
    pub fn unit(&self) -> UnitId {
        self.records.unit
    }

    /// The person as templates see them: `id`, `traits` by name, and what is derived from events.
    /// What is withheld is left out, and so are traits that are `hidden`.
    ///
    /// `public_only` keeps nothing but these paths of that object (`traits.first_name`), for
    /// callers who proved nothing.
    pub fn fields(
        &self,
        derived: Derived,
        hidden: &dyn Fn(&str) -> bool,
        public_only: Option<&[Path]>,
    ) -> Object {
        if !self.open() {
            return Object::new();
        }
        let readable = |(name, value)| match self.read(value) {
            Fact::Known(value) => Some((String::from(name), value.clone())),
            _ => None,
        };
        let Records { traits, stated, .. } = self.records;
        let claimed = traits.iter().filter(|(name, _)| stated.get(name).is_none());
        let traits: Object = claimed
            .chain(stated.iter())
            .filter(|(name, _)| !hidden(name))
            .filter_map(|(name, value)| readable((name.as_str(), value)))
            .collect();
        let id = model::ProfileId(self.records.component.head()).to_string();
        let mut fields: Object = [
            ("id".to_owned(), Value::String(id)),
            ("traits".to_owned(), Value::Object(traits)),
            ("computed".to_owned(), Value::Object(derived.computed)),
            ("stages".to_owned(), Value::Object(derived.stages)),
        ]
        .into_iter()
        .collect();
        if let Some(account) = derived.account {
            fields.insert("account".to_owned(), Value::Object(account));
        }
        match public_only {
            None => fields,
            Some(paths) => pick(&fields, paths),
        }
    }
}

/// The value of a trait, if it may be read for a purpose; `null`, which a removed trait has, is no value.
pub(crate) fn readable(value: &TraitValue, purpose: Purpose) -> Fact<&Value> {
    if !value.origin.purposes.contains(purpose) {
        return Fact::Withheld;
    }
    if value.value.is_null() { Fact::Missing } else { Fact::Known(&value.value) }
}

/// The value at a path among traits: a trait of that very name, else what the rest of the path leads to in one.
pub(crate) fn found<'a>(
    path: &Path,
    purpose: Purpose,
    known: impl Fn(&str) -> Option<&'a TraitValue>,
) -> Fact<&'a Value> {
    if let Some(value) = known(path.as_str()) {
        return readable(value, purpose);
    }
    let Some((name, rest)) = path.as_str().split_once('.') else { return Fact::Missing };
    let Some(value) = known(name) else { return Fact::Missing };
    match readable(value, purpose) {
        Fact::Known(Value::Object(inner)) => {
            let found = Path::parse(rest).and_then(|rest| rest.find(inner));
            found.map_or(Fact::Missing, Fact::Known)
        }
        Fact::Known(_) => Fact::Missing,
        other => other,
    }
}

/// What follows from a person's events by definitions, as read through the view that is asked for fields.
#[derive(Clone, Debug, Default)]
pub struct Derived {
    /// Computed traits by key.
    pub computed: Object,
    /// The keys of the stages in which the person is, by the key of their definition.
    pub stages: Object,
    /// The current account.
    pub account: Option<Object>,
}

/// The parts of `fields` that `paths` lead to, at the same places.
fn pick(fields: &Object, paths: &[Path]) -> Object {
    let mut picked = Object::new();
    for path in paths {
        if let Some(value) = path.find(fields) {
            put(&mut picked, path.as_str(), value.clone());
        }
    }
    picked
}

fn put(object: &mut Object, path: &str, value: Value) {
    let Some((head, rest)) = path.split_once('.') else {
        object.insert(path.to_owned(), value);
        return;
    };
    let inner = object.entry(head).or_insert_with(|| Value::Object(Object::new()));
    if let Value::Object(inner) = inner {
        put(inner, rest, value);
    }
}

/// What may always be read, for the check it serves and for nothing else.
#[derive(Clone, Copy, Debug)]
pub struct ServiceView<'a> {
    records: &'a Records,
}

impl<'a> ServiceView<'a> {
    pub(crate) fn new(profile: &'a Profile) -> Self {
        Self { records: profile.records() }
    }

    /// Whether the person is to be left alone.
    pub fn suppressed(&self) -> bool {
        self.records.suppressed
    }

    /// What the person keeps seeing in an experience.
    pub fn assignment(&self, experience: &Key) -> Option<&'a Assignment> {
        self.records.assignments.get(experience)
    }

    /// The events of a name, whatever they were collected for: for asking whether somebody just did
    /// what an offer must not follow.
    pub fn events(&self, name: &EventName) -> Fact<Rows<'a>> {
        let rows = self.records.timeline.rows(name, Purpose::SERVICE);
        if rows.rows.is_empty() && !rows.overflow { Fact::Missing } else { Fact::Known(rows) }
    }
}
