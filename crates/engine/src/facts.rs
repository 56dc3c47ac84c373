//! A person's data as conditions see it: a view for a purpose, with or without a request around it.

use std::fmt;

use audience::{FactsByPurpose, InPlace, Memberships};
use model::{
    Context, Key, Purpose, Timestamp, UnitId, Value,
    condition::{EventName, Fact, Facts, Membership, Rows},
    consent::PurposeKey,
    value::Path,
};
use profile::{Profile, PurposePolicy, View};

/// A view, and the context of the request where there is one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen<'a> {
    pub(crate) view: View<'a>,
    pub(crate) context: Option<&'a Context>,
}

impl Facts for Seen<'_> {
    fn trait_value(&self, path: &Path) -> Fact<&Value> {
        self.view.trait_value(path)
    }

    fn context(&self, path: &Path) -> Fact<&Value> {
        match self.context.and_then(|context| context.find(path)) {
            Some(value) => Fact::Known(value),
            None => Fact::Missing,
        }
    }

    fn events(&self, name: &EventName) -> Fact<Rows<'_>> {
        self.view.events(name)
    }

    fn membership(&self, _: &Key) -> Option<Membership> {
        None
    }

    fn consents_to(&self, purpose: &PurposeKey) -> Option<bool> {
        self.view.consents_to(purpose)
    }

    fn unit(&self) -> UnitId {
        self.view.unit()
    }
}

/// One view for each purpose of the workspace.
#[derive(Debug)]
pub(crate) struct Views<'a>(Vec<Seen<'a>>);

impl<'a> Views<'a> {
    /// The views of a person outside any request.
    pub(crate) fn of(profile: &'a Profile, policy: &'a PurposePolicy) -> Self {
        let service = std::iter::once(Purpose::SERVICE);
        let purposes = service.chain(policy.rules().iter().map(|rule| rule.purpose));
        Self(purposes.map(|p| Seen { view: profile.view(policy, p), context: None }).collect())
    }

    /// The views of a person within a request, met on a device if one is named.
    pub(crate) fn within(
        self,
        context: &'a Context,
        said: model::Consents,
        device: Option<UnitId>,
    ) -> Self {
        let inside = |seen: Seen<'a>| {
            let view = device.map_or(seen.view, |device| seen.view.on_device(device));
            Seen { view: view.narrowed(said), context: Some(context) }
        };
        Self(self.0.into_iter().map(inside).collect())
    }

    /// The view for `purpose`.
    pub(crate) fn seen(&self, purpose: Purpose) -> Option<&Seen<'a>> {
        self.0.iter().find(|seen| seen.view.purpose() == purpose)
    }

    /// All views.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Seen<'a>> {
        self.0.iter()
    }
}

impl FactsByPurpose for Views<'_> {
    fn facts(&self, purpose: Purpose) -> &dyn Facts {
        match self.seen(purpose) {
            Some(seen) => seen,
            None => &Closed,
        }
    }
}

/// Facts of a purpose that the workspace does not have: everything is withheld.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Closed;

impl Facts for Closed {
    fn trait_value(&self, _: &Path) -> Fact<&Value> {
        Fact::Withheld
    }

    fn context(&self, _: &Path) -> Fact<&Value> {
        Fact::Withheld
    }

    fn events(&self, _: &EventName) -> Fact<Rows<'_>> {
        Fact::Withheld
    }

    fn membership(&self, _: &Key) -> Option<Membership> {
        None
    }

    fn consents_to(&self, _: &PurposeKey) -> Option<bool> {
        None
    }

    fn unit(&self) -> UnitId {
        UnitId(0)
    }
}

/// A person within one request: views with memberships evaluated in place where the stored ones do not stand.
pub(crate) struct Asked<'a> {
    in_place: Vec<(Purpose, InPlace<'a>)>,
}

impl fmt::Debug for Asked<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Asked({} purposes)", self.in_place.len())
    }
}

impl<'a> Asked<'a> {
    /// The person of `views` with `memberships`, at `now`.
    pub(crate) fn new(
        views: &'a Views<'a>,
        catalog: &'a audience::Catalog,
        memberships: &'a Memberships,
        now: Timestamp,
    ) -> Self {
        let of = |seen: &'a Seen<'a>| {
            let purpose = seen.view.purpose();
            (purpose, InPlace::new(catalog, memberships, seen, purpose, now))
        };
        Self { in_place: views.iter().map(of).collect() }
    }

    /// The facts for `purpose`.
    pub(crate) fn facts(&self, purpose: Purpose) -> &dyn Facts {
        match self.in_place.iter().find(|(of, _)| *of == purpose) {
            Some((_, facts)) => facts,
            None => &Closed,
        }
    }
}
