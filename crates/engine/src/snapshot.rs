//! The definitions that act, compiled: what a batch or a decision reads from beginning to end (I9).

mod projection;

use std::{collections::BTreeMap, sync::Arc};

use audience::{AudienceDocument, StagesDocument};
use decision::{Divisions, ExperienceDocument, PlacementDocument, PolicyDocument};
use experiment::{Metric, Metrics};
use model::{
    Country, Key, Purpose, SourceKey,
    condition::{EventName, NamedTrait, Names},
    consent::PurposeKey,
    definition::Fault,
    hash,
    value::{Object, Path},
};
use profile::{ComputedTraitDocument, PurposePolicy, PurposeRule, Sensitivity, TraitRules};
use quality::{Plan, traffic::Traffic};

use crate::{
    definitions::{
        Kind, Party, PurposeDocument, PurposeRegion, Silence, Source, SourceDocument,
        SourceIdentity,
    },
    normalise::{ConsentSignals, PurposeSignals},
    recording::Lineups,
    registry::{
        self,
        documents::{Documents, Known, Typed},
    },
    retention::Rules,
};

pub(crate) use projection::Projection;

/// A definition that does not act although it should, and why.
pub(crate) type Broken = (Kind, Key, Vec<Fault>);

/// What a live source may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SourceRights {
    /// The source as callers know it.
    pub(crate) source: Source,
    /// What it takes for its identity claims to join people.
    pub(crate) identity: SourceIdentity,
}

/// All definitions that act, compiled from one version of them. Immutable.
///
/// A broken definition is left out and listed; it never keeps the others from acting (I13).
#[derive(Clone, Debug)]
pub(crate) struct Snapshot {
    /// The version of the definitions as a whole.
    pub(crate) version: u64,
    /// What holds for each purpose where a person said nothing.
    pub(crate) policy: Arc<PurposePolicy>,
    /// What clients and browsers say about consent, and which purposes that is about.
    pub(crate) signals: Arc<ConsentSignals>,
    /// Live sources.
    pub(crate) sources: Arc<BTreeMap<SourceKey, SourceRights>>,
    /// Where data of a source is from, also of one that is no longer live.
    pub(crate) parties: Arc<BTreeMap<SourceKey, Party>>,
    /// What is kept of what is said about people: live definitions of traits.
    pub(crate) traits: Arc<TraitRules>,
    /// What conditions may name: live computed traits and stages.
    pub(crate) names: Arc<Names>,
    /// Live audiences.
    pub(crate) audiences: Arc<audience::Catalog>,
    /// Live and paused placements and experiences.
    pub(crate) decisions: Arc<decision::Catalog>,
    /// How records name their candidates.
    pub(crate) lineups: Arc<Lineups>,
    /// What timelines keep of events.
    pub(crate) projection: Arc<Projection>,
    /// Live metrics.
    pub(crate) metrics: Arc<Metrics>,
    /// What events should look like.
    pub(crate) plan: Arc<Plan>,
    /// Which events are of programs or of the organisation's own people.
    pub(crate) traffic: Arc<Traffic>,
    /// How long what was taken in is kept.
    pub(crate) retention: Arc<Rules>,
    /// What is broken.
    pub(crate) faults: Vec<Broken>,
    trait_faults: Arc<Vec<Broken>>,
    name_faults: Arc<Vec<Broken>>,
    audience_faults: Arc<Vec<Broken>>,
    decision_faults: Arc<Vec<Broken>>,
    metric_faults: Arc<Vec<Broken>>,
    plan_faults: Arc<Vec<Broken>>,
    traffic_faults: Arc<Vec<Broken>>,
}

impl Snapshot {
    /// Compiles the newest definitions.
    pub(crate) fn compile(documents: &Documents) -> Self {
        let policy = Arc::new(policy(documents));
        let (traits, trait_faults) = traits(documents);
        let (names, name_faults) = names(documents, &policy, &traits);
        let (names, audiences, audience_faults) = audiences(documents, &policy, &names);
        let (decisions, decision_faults) = decisions(documents, &policy, &names);
        let (metrics, metric_faults) = metrics(documents, &policy);
        let (plan, plan_faults) = plan(documents);
        let (traffic, traffic_faults) = traffic(documents);
        let mut compiled = Self {
            version: documents.saves(),
            sources: Arc::new(sources(documents)),
            parties: Arc::new(parties(documents)),
            projection: Arc::new(projection(&names, &audiences, &decisions)),
            lineups: Arc::new(Lineups::of(&decisions)),
            signals: Arc::new(signals(documents, &policy)),
            policy,
            traits,
            names,
            audiences,
            decisions,
            metrics,
            plan,
            traffic,
            retention: Arc::new(retention(documents)),
            faults: Vec::new(),
            trait_faults,
            name_faults,
            audience_faults,
            decision_faults,
            metric_faults,
            plan_faults,
            traffic_faults,
        };
        compiled.watch();
        compiled.with_faults(documents)
    }

    /// Has members of accounts counted for all that decisions ask as well.
    fn watch(&mut self) {
        let members = &self.decisions.needs().members;
        if !members.is_empty() {
            self.audiences = Arc::new(audience::Catalog::clone(&self.audiences).watching(members));
        }
    }

    /// Compiles what a change of a definition of kind `changed` can have changed, and takes over the rest.
    pub(crate) fn after(&self, documents: &Documents, changed: Kind) -> Self {
        let mut next = Self { version: documents.saves(), ..self.clone() };
        match changed {
            Kind::Purpose => return Self::compile(documents),
            Kind::Source => {
                next.sources = Arc::new(sources(documents));
                next.parties = Arc::new(parties(documents));
            }
            Kind::Trait => {
                (next.traits, next.trait_faults) = traits(documents);
                if next.traits.epoch() != self.traits.epoch() {
                    next.compile_audiences(documents);
                }
            }
            Kind::ComputedTrait | Kind::Stages => {
                next.compile_audiences(documents);
                next.compile_decisions(documents);
            }
            Kind::Audience => {
                next.compile_audiences(documents);
                // Stages that refer to an audience stand and fall with it.
                if next.names.stages != self.names.stages {
                    next.compile_decisions(documents);
                }
            }
            Kind::Placement
            | Kind::Experience
            | Kind::Policy
            | Kind::ExclusionGroup
            | Kind::Holdout => {
                next.compile_decisions(documents);
            }
            Kind::Metric => (next.metrics, next.metric_faults) = metrics(documents, &self.policy),
            Kind::EventSchema => (next.plan, next.plan_faults) = plan(documents),
            Kind::TrafficRule => (next.traffic, next.traffic_faults) = traffic(documents),
            Kind::RetentionRule => next.retention = Arc::new(retention(documents)),
        }
        if changes_projection(changed) {
            let projection = projection(&next.names, &next.audiences, &next.decisions);
            if projection != *next.projection {
                next.projection = Arc::new(projection);
            }
        }
        if next.decisions.needs().members != self.decisions.needs().members {
            next.compile_audiences(documents);
        }
        next.with_faults(documents)
    }

    fn compile_audiences(&mut self, documents: &Documents) {
        let names;
        (names, self.name_faults) = self::names(documents, &self.policy, &self.traits);
        (self.names, self.audiences, self.audience_faults) =
            audiences(documents, &self.policy, &names);
        self.watch();
    }

    fn compile_decisions(&mut self, documents: &Documents) {
        (self.decisions, self.decision_faults) = decisions(documents, &self.policy, &self.names);
        self.lineups = Arc::new(Lineups::of(&self.decisions));
    }

    /// The same, with what is broken listed anew.
    fn with_faults(mut self, documents: &Documents) -> Self {
        let compiled = [
            &self.trait_faults,
            &self.name_faults,
            &self.audience_faults,
            &self.decision_faults,
            &self.metric_faults,
            &self.plan_faults,
            &self.traffic_faults,
        ];
        self.faults = listed(documents, &compiled);
        self
    }

    /// Names what people are decoded with: those decoded with another epoch are read anew.
    pub(crate) fn epoch(&self) -> u64 {
        self.projection.epoch ^ self.traits.epoch()
    }

    /// The same over timelines that also hold events of this name, with the property.
    pub(crate) fn also_reading(self, event: &EventName, property: Option<&Path>) -> Self {
        let more = BTreeMap::from([(event.clone(), property.cloned().into_iter().collect())]);
        let Self { names, audiences, decisions, .. } = &self;
        let needed =
            [&names.needed_events(), &audiences.needed_events(), &decisions.needs().events];
        let projection = Arc::new(Projection::new(needed.into_iter().chain([&more])));
        Self { projection, ..self }
    }

    /// The same after a save that changed nothing that acts.
    pub(crate) fn unchanged(&self, documents: &Documents) -> Self {
        Self { version: documents.saves(), ..self.clone() }.with_faults(documents)
    }

    /// The same over timelines of another projection.
    pub(crate) fn projected(&self, projection: Arc<Projection>) -> Self {
        Self { projection, ..self.clone() }
    }

    /// What conditions may name if computed traits were live that are not saved; faults have their places below
    /// `/computed_traits`.
    pub(crate) fn names_with(&self, computed_traits: &[Object]) -> Result<Names, Vec<Fault>> {
        let mut names = Names::clone(&self.names);
        for (place, document) in computed_traits.iter().enumerate() {
            let place = |faults| under(&format!("/computed_traits/{place}"), faults);
            let typed = registry::typed(Kind::ComputedTrait, document).map_err(place)?;
            let Typed::ComputedTrait(document) = typed else { continue };
            // Nothing is recorded under a draft's version.
            let named = computed_trait(&document, 0, &self.policy).map_err(place)?;
            names.computed.insert(document.key.clone(), named);
        }
        Ok(names)
    }

    /// What is wrong with one definition.
    pub(crate) fn faults_of(&self, kind: Kind, key: &Key) -> &[Fault] {
        let of = |broken: &&Broken| broken.0 == kind && broken.1 == *key;
        self.faults.iter().find(of).map_or(&[], |(_, _, faults)| faults)
    }
}

impl profile::accounts::Audiences for Snapshot {
    fn acting(&self, audience: &Key) -> Option<(u32, Purpose)> {
        // What only requests can answer is counted of nobody.
        let audience = self.audiences.get(audience).filter(|audience| !audience.request_only())?;
        Some((audience.version(), audience.purpose()))
    }
}

/// Faults of a part that stands at `pointer` in the whole.
pub(crate) fn under(pointer: &str, faults: Vec<Fault>) -> Vec<Fault> {
    let within = |fault: Fault| Fault::new(format!("{pointer}{}", fault.pointer), fault.detail);
    faults.into_iter().map(within).collect()
}

/// What compiling tells about a definition that does not act yet.
pub(crate) fn trial(snapshot: &Snapshot, documents: &Documents, known: &Known) -> Vec<Fault> {
    match &known.typed {
        Ok(Typed::Audience(document)) => {
            let others = live_audiences(documents, &snapshot.policy);
            let mut live: Vec<_> = others.filter(|l| l.document.key != document.key).collect();
            live.push(live_audience(known, document, &snapshot.policy));
            let stages: Vec<_> = live_stages(documents, &snapshot.policy).collect();
            let (_, broken) = audience::Catalog::naming(live, &stages, &snapshot.names);
            let own = broken.into_iter().find(|(key, _)| *key == document.key);
            own.map(|(_, faults)| faults).unwrap_or_default()
        }
        Ok(Typed::Stages(document)) => {
            let live = live_audiences(documents, &snapshot.policy).collect();
            let others = live_stages(documents, &snapshot.policy);
            let mut stages: Vec<_> = others.filter(|l| l.document.key != document.key).collect();
            stages.push(live_stage(known, document, &snapshot.policy));
            let (_, broken) = audience::Catalog::naming(live, &stages, &snapshot.names);
            let own = broken.into_iter().filter(|(key, _)| is_part(key, &document.key));
            own.flat_map(|(_, faults)| faults).collect()
        }
        Ok(Typed::Placement(document)) => decision::Catalog::check_placement(document),
        Ok(Typed::Experience(document)) => {
            let placement = documents.get(Kind::Placement, &document.placement);
            let placement = placement.and_then(|known| match &known.typed {
                Ok(Typed::Placement(placement)) => Some(placement),
                _ => None,
            });
            let purposes = &purposes(&snapshot.policy);
            let divisions = &divisions(documents, |_| true);
            let names = &snapshot.names;
            let defined = decision::Defined { purposes, names, divisions, policies: &[] };
            decision::Catalog::check_experience(document, placement, defined)
        }
        Ok(Typed::Metric(document)) => {
            Metric::compile(document, &purposes(&snapshot.policy)).err().unwrap_or_default()
        }
        Ok(Typed::EventSchema(document)) => Plan::check_schema(document),
        Ok(Typed::TrafficRule(document)) => Traffic::check_rule(document),
        // What these refer to, and their own faults, were told before.
        Ok(
            Typed::Purpose(_)
            | Typed::Source(_)
            | Typed::Trait(_)
            | Typed::ComputedTrait(_)
            | Typed::RetentionRule(_)
            | Typed::ExclusionGroup(_)
            | Typed::Holdout(_)
            | Typed::Policy(_),
        )
        | Err(_) => Vec::new(),
    }
}

/// Whether definitions of a kind ask about events that people are held in memory with.
fn changes_projection(kind: Kind) -> bool {
    !matches!(
        kind,
        Kind::Source
            | Kind::Policy
            | Kind::Metric
            | Kind::EventSchema
            | Kind::TrafficRule
            | Kind::RetentionRule
            | Kind::ExclusionGroup
            | Kind::Holdout
    )
}

/// The purposes: the built-in ones with the workspace's own defaults, and the live ones it defined.
fn policy(documents: &Documents) -> PurposePolicy {
    let built_in = PurposePolicy::built_in();
    let mut rules = built_in.rules().to_vec();
    for (key, known) in documents.of(Kind::Purpose).filter(|(_, known)| known.acts()) {
        let Ok(Typed::Purpose(document)) = &known.typed else { continue };
        let granted_by_default = document.default == Silence::Granted;
        let regions = regions(document);
        let events = document.events.iter().map(|name| hash::event_name(name)).collect();
        match (rules.iter_mut().find(|rule| rule.key.0 == *key), documents.number(key)) {
            (Some(rule), _) => {
                (rule.granted_by_default, rule.regions) = (granted_by_default, regions);
                rule.events = events;
            }
            (None, Some(purpose)) => {
                let key = PurposeKey(key.clone());
                rules.push(PurposeRule { purpose, key, granted_by_default, regions, events });
            }
            // The service purpose, which has no rule: it may be described and is always granted.
            (None, None) => {}
        }
    }
    // Keys and numbers are unique by construction.
    PurposePolicy::new(rules).unwrap_or(built_in)
}

fn regions(document: &PurposeDocument) -> Vec<(Country, bool)> {
    let of = |region: &PurposeRegion| {
        let granted = region.default == Silence::Granted;
        // What is saved was checked.
        let countries = region.countries().unwrap_or_default();
        countries.into_iter().map(move |country| (country, granted))
    };
    document.regions.iter().flat_map(of).collect()
}

/// What speaks about each purpose: what its definition says, else what is built in.
fn signals(documents: &Documents, policy: &PurposePolicy) -> ConsentSignals {
    let of = |rule: &PurposeRule| {
        let known = documents.get(Kind::Purpose, &rule.key.0).filter(|known| known.acts());
        match known.map(|known| &known.typed) {
            Some(Ok(Typed::Purpose(PurposeDocument { signals: Some(own), .. }))) => own.clone(),
            _ => PurposeSignals::built_in(rule.purpose),
        }
    };
    ConsentSignals::of(policy.rules().iter().map(|rule| (rule.purpose, &rule.key, of(rule))))
}

fn projection(
    names: &Names,
    audiences: &audience::Catalog,
    decisions: &decision::Catalog,
) -> Projection {
    let needed = [&names.needed_events(), &audiences.needed_events(), &decisions.needs().events];
    Projection::new(needed)
}

/// What live definitions say about traits, and those that do not act although they should.
fn traits(documents: &Documents) -> (Arc<TraitRules>, Arc<Vec<Broken>>) {
    let (mut rules, mut broken) = (BTreeMap::new(), Vec::new());
    for known in acting(documents, Kind::Trait) {
        let Ok(Typed::Trait(document)) = &known.typed else { continue };
        match document.compile() {
            Ok(rule) => drop(rules.insert(document.sent_as().into(), rule)),
            Err(faults) => broken.push((Kind::Trait, document.key.clone(), faults)),
        }
    }
    (Arc::new(TraitRules::new(rules)), Arc::new(broken))
}

/// The live computed traits and stages, and computed traits that do not act although they should.
fn names(
    documents: &Documents,
    policy: &PurposePolicy,
    traits: &TraitRules,
) -> (Arc<Names>, Arc<Vec<Broken>>) {
    let traits_epoch = traits.epoch();
    let (mut names, mut broken) = (Names { traits_epoch, ..Names::default() }, Vec::new());
    for known in acting(documents, Kind::ComputedTrait) {
        let Ok(Typed::ComputedTrait(document)) = &known.typed else { continue };
        let key = document.key.clone();
        match computed_trait(document, version_of(known), policy) {
            Ok(named) => drop(names.computed.insert(key, named)),
            Err(faults) => broken.push((Kind::ComputedTrait, key, faults)),
        }
    }
    for live_stages in live_stages(documents, policy) {
        let audience::LiveStages { document, version, purpose } = live_stages;
        if let Some(purpose) = purpose {
            names.stages.insert(document.key.clone(), document.named(version, purpose));
        }
    }
    (Arc::new(names), Arc::new(broken))
}

fn computed_trait(
    document: &ComputedTraitDocument,
    version: u32,
    policy: &PurposePolicy,
) -> Result<NamedTrait, Vec<Fault>> {
    let rule = Arc::new(document.compile()?);
    let purpose_key = document.purpose.clone();
    let purpose = policy.find(&purpose_key).ok_or_else(|| {
        let detail = format!("there is no purpose `{purpose_key}`; define it or name another");
        vec![Fault::new("/purpose", detail)]
    })?;
    let is_sensitive = document.sensitivity == Sensitivity::Sensitive;
    Ok(NamedTrait { rule, version, is_sensitive, purpose, purpose_key })
}

/// The version of a definition. Nobody saves one four billion times.
fn version_of(known: &Known) -> u32 {
    u32::try_from(known.definition.version).unwrap_or(u32::MAX)
}

/// How a compiler asks for the number of a purpose.
fn purposes(policy: &PurposePolicy) -> impl Fn(&PurposeKey) -> Option<Purpose> {
    move |key| policy.find(key)
}

fn retention(documents: &Documents) -> Rules {
    let live = acting(documents, Kind::RetentionRule).filter_map(|known| match &known.typed {
        Ok(Typed::RetentionRule(document)) => Some(document),
        _ => None,
    });
    Rules::of(live)
}

fn sources(documents: &Documents) -> BTreeMap<SourceKey, SourceRights> {
    let live = acting(documents, Kind::Source).filter_map(|known| match &known.typed {
        Ok(Typed::Source(SourceDocument { key, kind, identity, .. })) => {
            let source = Source { key: key.clone(), kind: *kind };
            Some((key.clone(), SourceRights { source, identity: *identity }))
        }
        _ => None,
    });
    live.collect()
}

fn parties(documents: &Documents) -> BTreeMap<SourceKey, Party> {
    let labelled = documents.of(Kind::Source).filter_map(|(key, known)| match &known.typed {
        Ok(Typed::Source(document)) => Some((key.clone(), document.party?)),
        _ => None,
    });
    labelled.collect()
}

/// The audiences and stages that work, what conditions may name of them, and what is wrong with the others.
fn audiences(
    documents: &Documents,
    policy: &PurposePolicy,
    names: &Names,
) -> (Arc<Names>, Arc<audience::Catalog>, Arc<Vec<Broken>>) {
    let live: Vec<_> = live_audiences(documents, policy).collect();
    let mut stages: Vec<_> = live_stages(documents, policy).collect();
    let mut names = names.clone();
    let mut broken_stages = BTreeMap::<Key, Vec<Fault>>::new();
    let next = documents.edits().filter_map(|(key, _)| documents.get(Kind::Audience, key));
    let shadows: Vec<_> = next.filter_map(|known| compiled_from(known, policy)).collect();
    loop {
        let (catalog, broken) =
            audience::Catalog::with_shadows(live.clone(), shadows.clone(), &stages, &names);
        let (parts, broken): (Vec<_>, Vec<_>) =
            broken.into_iter().partition(|(key, _)| key.parts().is_some());
        if parts.is_empty() {
            let broken = broken.into_iter().map(|(key, faults)| (Kind::Audience, key, faults));
            let broken_stages =
                broken_stages.into_iter().map(|(key, faults)| (Kind::Stages, key, faults));
            let all = broken.chain(broken_stages).collect();
            return (Arc::new(names), Arc::new(catalog), Arc::new(all));
        }
        // Of stages all work or none does. What refers to those that do not must know, so all is
        // compiled once more without them.
        for (key, faults) in parts {
            let Some((definition, _)) = key.parts() else { continue };
            stages.retain(|live| live.document.key != definition);
            names.stages.remove(&definition);
            broken_stages.entry(definition).or_default().extend(faults);
        }
    }
}

/// Whether `key` is the name of a part of a definition.
fn is_part(key: &Key, definition: &Key) -> bool {
    key.parts().is_some_and(|(of, _)| of == *definition)
}

fn live_stages(
    documents: &Documents,
    policy: &PurposePolicy,
) -> impl Iterator<Item = audience::LiveStages> {
    acting(documents, Kind::Stages).filter_map(|known| match &known.typed {
        Ok(Typed::Stages(document)) => Some(live_stage(known, document, policy)),
        _ => None,
    })
}

fn live_stage(
    known: &Known,
    document: &StagesDocument,
    policy: &PurposePolicy,
) -> audience::LiveStages {
    audience::LiveStages {
        document: document.clone(),
        version: version_of(known),
        purpose: policy.find(&document.purpose),
    }
}

fn live_audiences(
    documents: &Documents,
    policy: &PurposePolicy,
) -> impl Iterator<Item = audience::Live> {
    acting(documents, Kind::Audience).filter_map(|known| {
        let edit = known.key().and_then(|key| documents.edit(key));
        compiled_from(edit.map_or(known, |edit| &edit.live), policy)
    })
}

/// What a catalog is compiled from.
fn compiled_from(known: &Known, policy: &PurposePolicy) -> Option<audience::Live> {
    match &known.typed {
        Ok(Typed::Audience(document)) => Some(live_audience(known, document, policy)),
        _ => None,
    }
}

fn live_audience(
    known: &Known,
    document: &AudienceDocument,
    policy: &PurposePolicy,
) -> audience::Live {
    audience::Live {
        document: document.clone(),
        version: version_of(known),
        purpose: policy.find(&document.purpose),
    }
}

fn decisions(
    documents: &Documents,
    policy: &PurposePolicy,
    names: &Names,
) -> (Arc<decision::Catalog>, Arc<Vec<Broken>>) {
    let version = |known: &Known| known.definition.version;
    let placements = acting(documents, Kind::Placement).filter_map(|known| match &known.typed {
        Ok(Typed::Placement(document)) => Some(decision::Versioned::<PlacementDocument> {
            version: version(known),
            document: document.clone(),
        }),
        _ => None,
    });
    let experiences = acting(documents, Kind::Experience).filter_map(|known| match &known.typed {
        Ok(Typed::Experience(document)) => Some(decision::Versioned::<ExperienceDocument> {
            version: version(known),
            document: (**document).clone(),
        }),
        _ => None,
    });
    let policies = acting(documents, Kind::Policy).filter_map(|known| match &known.typed {
        Ok(Typed::Policy(document)) => Some(decision::Versioned::<PolicyDocument> {
            version: version(known),
            document: (**document).clone(),
        }),
        _ => None,
    });
    let (catalog, broken) = decision::Catalog::compile(
        &placements.collect::<Vec<_>>(),
        &experiences.collect::<Vec<_>>(),
        decision::Defined {
            purposes: &purposes(policy),
            names,
            divisions: &divisions(documents, Known::acts),
            policies: &policies.collect::<Vec<_>>(),
        },
    );
    let broken = broken.into_iter().map(|broken| {
        let kind = match broken.kind {
            decision::Kind::Placement => Kind::Placement,
            decision::Kind::Experience => Kind::Experience,
        };
        (kind, broken.key, broken.faults)
    });
    (Arc::new(catalog), Arc::new(broken.collect()))
}

/// The holdouts and exclusion groups among which a choice is made.
fn divisions(documents: &Documents, is_chosen: impl Fn(&Known) -> bool) -> Divisions {
    let chosen = |kind| documents.of(kind).map(|(_, known)| known).filter(|known| is_chosen(known));
    let holdouts = chosen(Kind::Holdout).filter_map(|known| match &known.typed {
        Ok(Typed::Holdout(document)) => Some(document.clone()),
        _ => None,
    });
    let exclusion_groups = chosen(Kind::ExclusionGroup).filter_map(|known| match &known.typed {
        Ok(Typed::ExclusionGroup(document)) => Some(document.clone()),
        _ => None,
    });
    Divisions { holdouts: holdouts.collect(), exclusion_groups: exclusion_groups.collect() }
}

fn metrics(documents: &Documents, policy: &PurposePolicy) -> (Arc<Metrics>, Arc<Vec<Broken>>) {
    let live = acting(documents, Kind::Metric).filter_map(|known| match &known.typed {
        Ok(Typed::Metric(document)) => Some(&**document),
        _ => None,
    });
    let (metrics, broken) = Metrics::compile(live, &purposes(policy));
    let broken = broken.into_iter().map(|(key, faults)| (Kind::Metric, key, faults));
    (Arc::new(metrics), Arc::new(broken.collect()))
}

fn traffic(documents: &Documents) -> (Arc<Traffic>, Arc<Vec<Broken>>) {
    let live = acting(documents, Kind::TrafficRule).filter_map(|known| match &known.typed {
        Ok(Typed::TrafficRule(document)) => Some(&**document),
        _ => None,
    });
    let (traffic, broken) = Traffic::compile(live);
    let broken = broken.into_iter().map(|(key, faults)| (Kind::TrafficRule, key, faults));
    (Arc::new(traffic), Arc::new(broken.collect()))
}

fn plan(documents: &Documents) -> (Arc<Plan>, Arc<Vec<Broken>>) {
    let live = acting(documents, Kind::EventSchema).filter_map(|known| match &known.typed {
        Ok(Typed::EventSchema(document)) => Some(&**document),
        _ => None,
    });
    let (plan, broken) = Plan::compile(live);
    let broken = broken.into_iter().map(|(key, faults)| (Kind::EventSchema, key, faults));
    (Arc::new(plan), Arc::new(broken.collect()))
}

fn acting(documents: &Documents, kind: Kind) -> impl Iterator<Item = &Arc<Known>> {
    documents.of(kind).map(|(_, known)| known).filter(|known| known.acts())
}

/// Everything broken: documents whose fields do not read, in any state, then what did not compile.
fn listed(documents: &Documents, compiled: &[&Arc<Vec<Broken>>]) -> Vec<Broken> {
    let mut broken = Vec::new();
    for kind in Kind::ALL {
        for (key, known) in documents.of(kind) {
            if let Err(faults) = &known.typed {
                broken.push((kind, key.clone(), faults.clone()));
            }
        }
    }
    broken.extend(compiled.iter().flat_map(|broken| broken.iter()).cloned());
    broken
}
