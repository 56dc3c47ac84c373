//! A person's data as conditions see it: a view for a purpose, with or without a request around it.

use std::{cell::OnceCell, fmt, sync::Arc};

use audience::{FactsByPurpose, InPlace, Memberships, Stated};
use model::{
    Consents, Country, Key, LazyObject, Purpose, Timestamp, UnitId, Value,
    condition::{self, EventName, Fact, Facts, Membership, Names, Rows, Sight},
    consent::PurposeKey,
    value::{Object, Path},
};
use profile::{
    Account, AccountView, Around, Profile, PurposePolicy, Sensitivity, TraitRules, View,
};

use crate::snapshot::Snapshot;

/// A view, and the context of the request where there is one.
#[derive(Debug)]
pub(crate) struct Seen<'a> {
    pub(crate) view: View<'a>,
    pub(crate) context: Option<&'a LazyObject>,
    /// The accounts that the person belongs to, the one that was told of last first.
    pub(crate) accounts: Vec<Fact<AccountView<'a>>>,
}

impl Seen<'_> {
    /// The current account as templates see it.
    pub(crate) fn current_account(&self) -> Option<Object> {
        match self.accounts.first() {
            Some(Fact::Known(account)) => Some(account.fields()),
            _ => None,
        }
    }

    /// The values at `now` of the computed traits of this view's purpose that are `wanted`. What is
    /// withheld or missing, or may not be shown, is left out.
    pub(crate) fn computed(
        &self,
        names: &Names,
        sight: Sight,
        wanted: impl Fn(&Key) -> bool,
        now: Timestamp,
    ) -> Object {
        let purpose = self.view.purpose();
        let own = names.computed.iter().filter(|(_, named)| {
            named.purpose == purpose && (sight == Sight::Full || !named.is_sensitive)
        });
        let read = own.filter(|(key, _)| wanted(key)).filter_map(|(key, named)| {
            match named.rule.read(self, now).value {
                Fact::Known(value) => Some((key.to_string(), value)),
                Fact::Missing | Fact::Withheld => None,
            }
        });
        read.collect()
    }
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

    fn account(&self, place: usize) -> Option<Fact<&dyn condition::Account>> {
        self.accounts.get(place).map(|account| match account {
            Fact::Known(account) => Fact::Known(account as &dyn condition::Account),
            Fact::Missing => Fact::Missing,
            Fact::Withheld => Fact::Withheld,
        })
    }
}

/// One view for each purpose of the workspace, made when it is asked for: most requests are about one.
#[derive(Debug)]
pub(crate) struct Views<'a> {
    profile: &'a Profile,
    policy: &'a PurposePolicy,
    request: Option<Request<'a>>,
    around: Option<Around<'a>>,
    seen: Vec<(Purpose, OnceCell<Seen<'a>>)>,
}

/// What a request adds to a person.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request<'a> {
    pub(crate) context: &'a LazyObject,
    /// What it says about consent.
    pub(crate) said: Consents,
    /// The device, if one is named.
    pub(crate) device: Option<UnitId>,
    /// Where the person is, if it says so and that matters.
    pub(crate) country: Option<Country>,
}

impl<'a> Views<'a> {
    /// The views of a person outside any request.
    pub(crate) fn of(profile: &'a Profile, policy: &'a PurposePolicy) -> Self {
        let service = std::iter::once(Purpose::SERVICE);
        let purposes = service.chain(policy.rules().iter().map(|rule| rule.purpose));
        let seen = purposes.map(|purpose| (purpose, OnceCell::new())).collect();
        Self { profile, policy, request: None, around: None, seen }
    }

    /// The views of a person among their accounts. Without, of those that they belong to nothing is known.
    pub(crate) fn among(self, accounts: &'a [Arc<Account>], snapshot: &'a Snapshot) -> Self {
        Self { around: Some(Around { accounts, audiences: snapshot }), ..self }
    }

    /// The views of a person within a request.
    pub(crate) fn within(self, request: Request<'a>) -> Self {
        Self { request: Some(request), ..self }
    }

    /// The view for `purpose`.
    pub(crate) fn seen(&self, purpose: Purpose) -> Option<&Seen<'a>> {
        let (_, seen) = self.seen.iter().find(|(of, _)| *of == purpose)?;
        Some(seen.get_or_init(|| self.look(purpose)))
    }

    fn look(&self, purpose: Purpose) -> Seen<'a> {
        let view = self.profile.view(self.policy, purpose);
        let Some(Request { context, said, device, country }) = self.request else {
            return Seen { view, context: None, accounts: self.accounts(&view) };
        };
        let view = device.map_or(view, |device| view.on_device(device));
        let view = country.map_or(view, |country| view.in_country(country));
        let view = view.narrowed(said);
        Seen { view, context: Some(context), accounts: self.accounts(&view) }
    }

    fn accounts(&self, view: &View<'a>) -> Vec<Fact<AccountView<'a>>> {
        self.around.map_or_else(Vec::new, |around| view.accounts(around))
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

/// What may always be asked, for the checks of the purpose `service` and for nothing else: events.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Serviced<'a>(pub(crate) &'a Profile);

impl Facts for Serviced<'_> {
    fn trait_value(&self, _: &Path) -> Fact<&Value> {
        Fact::Withheld
    }

    fn context(&self, _: &Path) -> Fact<&Value> {
        Fact::Withheld
    }

    fn events(&self, name: &EventName) -> Fact<Rows<'_>> {
        self.0.service().events(name)
    }

    fn membership(&self, _: &Key) -> Option<Membership> {
        None
    }

    fn consents_to(&self, _: &PurposeKey) -> Option<bool> {
        None
    }

    fn account(&self, place: usize) -> Option<Fact<&dyn condition::Account>> {
        (place == 0).then_some(Fact::Withheld)
    }

    fn unit(&self) -> UnitId {
        self.0.unit()
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

    fn account(&self, place: usize) -> Option<Fact<&dyn condition::Account>> {
        (place == 0).then_some(Fact::Withheld)
    }

    fn unit(&self) -> UnitId {
        UnitId(0)
    }
}

/// The facts of one purpose within a request, as far as those may see them to whom the answer goes.
///
/// Audiences are evaluated by what is inside, so that they come to the same whoever asks.
#[derive(Debug)]
struct Sighted<'a> {
    inside: InPlace<'a>,
    traits: &'a TraitRules,
    sight: Sight,
}

impl Sighted<'_> {
    fn is_sensitive(&self, path: &Path) -> bool {
        self.traits.sensitivity(path.as_str()) == Sensitivity::Sensitive
    }
}

impl Facts for Sighted<'_> {
    fn trait_value(&self, path: &Path) -> Fact<&Value> {
        if self.sight == Sight::Public && self.is_sensitive(path) {
            return Fact::Withheld;
        }
        self.inside.trait_value(path)
    }

    fn context(&self, path: &Path) -> Fact<&Value> {
        self.inside.context(path)
    }

    fn events(&self, name: &EventName) -> Fact<Rows<'_>> {
        self.inside.events(name)
    }

    fn membership(&self, audience: &Key) -> Option<Membership> {
        self.inside.membership(audience)
    }

    fn consents_to(&self, purpose: &PurposeKey) -> Option<bool> {
        self.inside.consents_to(purpose)
    }

    fn unit(&self) -> UnitId {
        self.inside.unit()
    }

    fn account(&self, place: usize) -> Option<Fact<&dyn condition::Account>> {
        self.inside.account(place)
    }

    fn sight(&self) -> Sight {
        self.sight
    }

    fn shows(&self, path: &Path) -> bool {
        self.sight == Sight::Full || !self.is_sensitive(path)
    }
}

/// A person within one request: views with memberships evaluated in place where the stored ones do not stand.
pub(crate) struct Asked<'a> {
    views: &'a Views<'a>,
    catalog: &'a audience::Catalog,
    memberships: &'a Memberships,
    now: Timestamp,
    traits: &'a TraitRules,
    sight: Sight,
    stated: Option<&'a dyn Stated>,
    in_place: Vec<(Purpose, OnceCell<Sighted<'a>>)>,
}

impl fmt::Debug for Asked<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Asked({} purposes)", self.in_place.len())
    }
}

impl<'a> Asked<'a> {
    /// The person of `views` with `memberships`, at `now`, seen in full.
    pub(crate) fn new(
        views: &'a Views<'a>,
        snapshot: &'a Snapshot,
        memberships: &'a Memberships,
        now: Timestamp,
    ) -> Self {
        let in_place = views.seen.iter().map(|(purpose, _)| (*purpose, OnceCell::new())).collect();
        let (catalog, traits, sight) = (&*snapshot.audiences, &*snapshot.traits, Sight::Full);
        Self { views, catalog, memberships, now, traits, sight, stated: None, in_place }
    }

    /// The same for those who may see so much.
    pub(crate) fn sighted(self, sight: Sight) -> Self {
        Self { sight, ..self }
    }

    /// The same with memberships that are as stated, for whom somebody invents.
    pub(crate) fn stating(self, stated: Option<&'a dyn Stated>) -> Self {
        Self { stated, ..self }
    }

    /// The facts for `purpose`.
    pub(crate) fn facts(&self, purpose: Purpose) -> &dyn Facts {
        let place = self.in_place.iter().find(|(of, _)| *of == purpose);
        match (place, self.views.seen(purpose)) {
            (Some((_, in_place)), Some(seen)) => in_place.get_or_init(|| {
                let inside = InPlace::new(self.catalog, self.memberships, seen, purpose, self.now)
                    .stating(self.stated);
                Sighted { inside, traits: self.traits, sight: self.sight }
            }),
            _ => &Closed,
        }
    }
}
