//! Traffic that is no customer's: programs, and the organisation's own people.
//!
//! A rule says how such events are recognised and what they are marked as. What it looks at is the
//! event itself: the network it came from, the browser that sent it, and its own traits and context.

#[cfg(test)]
mod tests;

use std::net::IpAddr;

use ipnet::IpNet;
use model::{
    Key, LazyObject, Timestamp, UnitId, Value,
    condition::{Condition, Fact, Facts, Rule, Truth},
    definition::{Fault, State},
    event::Marks,
    value::{Object, Path},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Most networks, and most texts of user agents, of one rule.
const ENTRIES_MAX: usize = 200;
/// Longest text to look for in a user agent, in bytes.
const AGENT_BYTES_MAX: usize = 200;

/// Which events are of programs or of the organisation's own people. At least one way to recognise
/// them must be given; any one of those that are given is enough.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TrafficRuleDocument {
    /// The key it is referred to by.
    pub key: Key,
    /// What people call it.
    #[serde(default)]
    pub name: String,
    /// Who is meant and why.
    #[serde(default)]
    pub description: String,
    /// Words to find it by.
    #[serde(default)]
    pub tags: Vec<String>,
    /// Whether it acts.
    #[serde(default)]
    pub state: State,
    /// What the events are marked as.
    pub mark: Mark,
    /// Whether they count all the same: for audiences, traits, identities and experiments.
    #[serde(default)]
    pub counts: bool,
    /// Networks that they come from, such as `192.0.2.0/24` or `2001:db8::/32`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub networks: Vec<String>,
    /// Texts that their user agent contains, in either case.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub user_agents: Vec<String>,
    /// Programs that are known by their user agent. Without a live rule that says so they are marked as `bot` and do
    /// not count; one that does says what becomes of them instead.
    #[serde(default)]
    pub known_bots: bool,
    /// A condition on the event's own traits and context, of `trait`, `context`, `all`, `any`, `not` and `at_least`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Condition>")]
    pub condition: Option<Value>,
}

/// What an event is marked as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mark {
    /// A program made it.
    Bot,
    /// The organisation's own people made it.
    Internal,
}

/// What a rule looks at.
#[derive(Clone, Copy, Debug)]
pub struct Sighting<'a> {
    /// The address it came from.
    pub ip: Option<IpAddr>,
    /// What the browser calls itself.
    pub user_agent: Option<&'a str>,
    /// Whether that is a program known by its user agent.
    pub is_known_bot: bool,
    /// The event's own traits.
    pub traits: &'a Object,
    /// The event's context.
    pub context: &'a LazyObject,
}

/// The live rules, compiled. Immutable.
#[derive(Debug, Default)]
pub struct Traffic {
    rules: Vec<Compiled>,
}

#[derive(Debug)]
struct Compiled {
    marks: Marks,
    networks: Vec<IpNet>,
    user_agents: Vec<String>,
    known_bots: bool,
    condition: Option<Rule>,
}

impl Traffic {
    /// Compiles rules. A broken one is left out and comes back with its faults.
    pub fn compile<'a>(
        documents: impl IntoIterator<Item = &'a TrafficRuleDocument>,
    ) -> (Self, Vec<(Key, Vec<Fault>)>) {
        let (mut rules, mut broken) = (Vec::new(), Vec::new());
        for document in documents {
            match Compiled::of(document) {
                Ok(rule) => rules.push(rule),
                Err(faults) => broken.push((document.key.clone(), faults)),
            }
        }
        (Self { rules }, broken)
    }

    /// What is wrong with a rule by itself.
    pub fn check_rule(document: &TrafficRuleDocument) -> Vec<Fault> {
        Compiled::of(document).err().unwrap_or_default()
    }

    /// What the rules make of an event, or of a request for a decision.
    ///
    /// It does not count when any rule that applies says so.
    pub fn marks(&self, seen: &Sighting<'_>) -> Marks {
        let mut marks = Marks::default();
        if seen.is_known_bot && !self.rules.iter().any(|rule| rule.known_bots) {
            marks = Marks::BOT.with(Marks::UNCOUNTED);
        }
        let applying = self.rules.iter().filter(|rule| rule.applies(seen));
        applying.fold(marks, |marks, rule| marks.with(rule.marks))
    }
}

impl Compiled {
    fn of(document: &TrafficRuleDocument) -> Result<Self, Vec<Fault>> {
        let mut faults = Vec::new();
        let mut networks = Vec::new();
        for (index, text) in document.networks.iter().enumerate() {
            match network(text) {
                Some(network) => networks.push(network),
                None => {
                    let detail =
                        format!("`{text}` is no network: write `192.0.2.0/24` or `2001:db8::/32`");
                    faults.push(Fault::new(format!("/networks/{index}"), detail));
                }
            }
        }
        for (index, text) in document.user_agents.iter().enumerate() {
            if text.trim().is_empty() || text.len() > AGENT_BYTES_MAX {
                let detail = format!("a text to look for has 1 to {AGENT_BYTES_MAX} bytes");
                faults.push(Fault::new(format!("/user_agents/{index}"), detail));
            }
        }
        for (name, entries) in
            [("networks", networks.len()), ("user_agents", document.user_agents.len())]
        {
            if entries > ENTRIES_MAX {
                faults.push(Fault::new(
                    format!("/{name}"),
                    format!("at most {ENTRIES_MAX} fit one rule"),
                ));
            }
        }
        let condition = document
            .condition
            .as_ref()
            .and_then(|written| own_condition(written).map_err(|found| faults.extend(found)).ok());
        let is_empty = document.networks.is_empty() && document.user_agents.is_empty();
        if is_empty && !document.known_bots && document.condition.is_none() {
            let detail = "say how they are recognised: `networks`, `user_agents`, `known_bots` or `condition`";
            faults.push(Fault::new("", detail));
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        let mark = match document.mark {
            Mark::Bot => Marks::BOT,
            Mark::Internal => Marks::INTERNAL,
        };
        Ok(Self {
            marks: if document.counts { mark } else { mark.with(Marks::UNCOUNTED) },
            networks,
            user_agents: document.user_agents.iter().map(|text| text.to_lowercase()).collect(),
            known_bots: document.known_bots,
            condition: condition.map(Rule::compile),
        })
    }

    fn applies(&self, seen: &Sighting<'_>) -> bool {
        let is_from = |ip: IpAddr| self.networks.iter().any(|network| network.contains(&ip));
        self.known_bots && seen.is_known_bot
            || seen.ip.is_some_and(is_from)
            || self.names(seen.user_agent)
            || self.condition.as_ref().is_some_and(|rule| {
                let own = Own { traits: seen.traits, context: seen.context };
                // Nothing that such a condition may ask about moves with the clock.
                rule.evaluate(&own, Timestamp(0)).truth == Truth::True
            })
    }

    fn names(&self, user_agent: Option<&str>) -> bool {
        if self.user_agents.is_empty() {
            return false;
        }
        let agent = user_agent.unwrap_or_default().to_lowercase();
        self.user_agents.iter().any(|text| agent.contains(text))
    }
}

/// A network, or one address.
fn network(text: &str) -> Option<IpNet> {
    let text = text.trim();
    text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
}

/// A condition that asks about nothing but the event itself.
fn own_condition(written: &Value) -> Result<Condition, Vec<Fault>> {
    let within = |fault: Fault| Fault::new(format!("/condition{}", fault.pointer), fault.detail);
    let condition = Condition::parse(written)
        .map_err(|faults| faults.into_iter().map(within).collect::<Vec<_>>())?;
    let mut faults = Vec::new();
    condition.visit(&mut |place, part| {
        let is_own = matches!(
            part,
            Condition::All(_)
                | Condition::Any(_)
                | Condition::Not(_)
                | Condition::AtLeast { .. }
                | Condition::Trait { .. }
                | Condition::Context { .. }
        );
        if !is_own {
            let detail = "a traffic rule asks about the event's own `trait` and `context` only";
            faults.push(Fault::new(format!("/condition{place}"), detail));
        }
    });
    if faults.is_empty() { Ok(condition) } else { Err(faults) }
}

/// The event's own traits and context as facts.
struct Own<'a> {
    traits: &'a Object,
    context: &'a LazyObject,
}

impl Facts for Own<'_> {
    fn trait_value(&self, path: &Path) -> Fact<&Value> {
        path.find(self.traits).map_or(Fact::Missing, Fact::Known)
    }

    fn context(&self, path: &Path) -> Fact<&Value> {
        self.context.find(path).map_or(Fact::Missing, Fact::Known)
    }

    fn unit(&self) -> UnitId {
        UnitId(0)
    }
}
