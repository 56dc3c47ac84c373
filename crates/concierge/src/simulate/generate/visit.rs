//! One visit of one shopper: arrive, look around, fill a cart, buy or leave.

use std::sync::Arc;

use model::Timestamp;
use serde_json::{Value, json};

use super::{
    World,
    event::{For, after},
    rounded,
};
use crate::simulate::{
    catalogue::{CURRENCY, Catalogue, Product, money},
    chance::Chance,
    effect::{Effect, probability},
    shopper::{Device, Shopper},
};

/// A question for a decision.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Ask {
    pub(crate) placement: String,
    pub(crate) identifiers: Value,
    pub(crate) context: Value,
    pub(crate) at: Timestamp,
}

/// What was shown in answer to an [`Ask`].
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Shown {
    pub(crate) placement: String,
    pub(crate) experience: String,
    pub(crate) variant: String,
    /// The decision's id and token, which the exposure returns.
    pub(crate) decision_id: String,
    pub(crate) token: Option<String>,
}

/// What a shopper does until the next question, or the end of the visit.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Turn {
    pub(crate) events: Vec<Value>,
    /// `None` ends the visit.
    pub(crate) ask: Option<Ask>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Arriving,
    Browsing,
    AtProduct,
    Leaving,
    Gone,
}

/// A visit in progress.
#[derive(Clone, Debug)]
pub(crate) struct Visit {
    seed: u64,
    shopper: Arc<Shopper>,
    catalogue: Arc<Catalogue>,
    placements: Arc<[String]>,
    number: u32,
    start: Timestamp,
    clock: Timestamp,
    chance: Chance,
    device: usize,
    campaign: Option<&'static str>,
    logged_in: bool,
    events: u32,
    stage: Stage,
    category: usize,
    cart: Vec<(Product, i64)>,
    /// What was shown so far adds to the log-odds of an order.
    persuasion: f64,
    /// The order that was placed, in cents.
    ordered: Option<i64>,
}

impl Visit {
    pub(super) fn new(world: &World, shopper: Arc<Shopper>, number: u32, start: Timestamp) -> Self {
        let subject = format!("{}/{number}", shopper.number);
        let mut chance = Chance::new(world.seed, "visit", &subject);
        let device = chance.pick(&vec![1.0; shopper.devices.len()]);
        let campaign = ["newsletter", "search", "social"].get(chance.pick(&[1.0, 2.0, 1.0, 8.0]));
        let category = chance.pick(&shopper.tastes);
        Self {
            seed: world.seed,
            catalogue: Arc::clone(&world.catalogue),
            placements: Arc::clone(&world.placements),
            number,
            start,
            clock: start,
            device,
            campaign: campaign.copied(),
            logged_in: false,
            events: 0,
            stage: Stage::Arriving,
            category,
            cart: Vec::new(),
            persuasion: 0.0,
            ordered: None,
            chance,
            shopper,
        }
    }

    /// When it begins.
    pub(crate) fn start(&self) -> Timestamp {
        self.start
    }

    /// Lets a visit that has not begun begin at another instant.
    pub(super) fn begin_at(&mut self, start: Timestamp) {
        self.start = start;
        self.clock = start;
    }

    /// Whose it is.
    pub(crate) fn shopper(&self) -> &Shopper {
        &self.shopper
    }

    /// The order that was placed, in cents.
    pub(crate) fn ordered(&self) -> Option<i64> {
        self.ordered
    }

    pub(super) fn id(&self) -> String {
        format!("sim-{}-{}-{}", self.seed, self.shopper.number, self.number)
    }

    pub(super) fn clock(&self) -> Timestamp {
        self.clock
    }

    pub(super) fn is_logged_in(&self) -> bool {
        self.logged_in
    }

    pub(super) fn campaign(&self) -> Option<&'static str> {
        self.campaign
    }

    pub(super) fn device(&self) -> &Device {
        static NONE: Device =
            Device { anonymous_id: String::new(), kind: "desktop", shared: false };
        self.shopper.devices.get(self.device).unwrap_or(&NONE)
    }

    pub(super) fn next_event(&mut self) -> u32 {
        self.events += 1;
        self.events
    }

    /// Goes on until the next question; `shown` answers the last one.
    pub(crate) fn turn(&mut self, shown: &[Shown]) -> Turn {
        let mut turn = Turn::default();
        for shown in shown {
            self.see(shown, &mut turn.events);
        }
        // A stage without a placement to ask for leads straight to the next one.
        while turn.ask.is_none() && self.stage != Stage::Gone {
            turn.ask = match self.stage {
                Stage::Arriving => self.arrive(&mut turn.events),
                Stage::Browsing => self.browse(&mut turn.events),
                Stage::AtProduct => self.choose(&mut turn.events),
                Stage::Leaving => self.leave(&mut turn.events),
                Stage::Gone => None,
            };
        }
        turn
    }

    /// Is exposed to what was shown, and perhaps acts on it.
    fn see(&mut self, shown: &Shown, events: &mut Vec<Value>) {
        let effect = Effect::of(self.seed, &shown.experience, &shown.variant).on(&self.shopper);
        self.persuasion += effect;
        self.pass(1, 4);
        let mut properties = json!({
            "placement": shown.placement, "experience": shown.experience, "variant": shown.variant,
            "decision_id": shown.decision_id,
        });
        if let (Some(token), Some(fields)) = (&shown.token, properties.as_object_mut()) {
            fields.insert("token".into(), token.as_str().into());
        }
        events.extend(self.track(For::Analytics, "Experience Viewed", properties.clone()));
        if self.chance.happens(probability(effect - 1.5)) {
            self.pass(1, 10);
            events.extend(self.track(For::Analytics, "Experience Clicked", properties));
        }
    }

    fn arrive(&mut self, events: &mut Vec<Value>) -> Option<Ask> {
        self.stage = Stage::Browsing;
        events.extend(self.page("Home", "/"));
        if self.chance.happens(self.shopper.login_rate) {
            self.log_in(events);
        }
        self.ask(0, "/")
    }

    fn browse(&mut self, events: &mut Vec<Value>) -> Option<Ask> {
        self.stage = Stage::AtProduct;
        let (key, _, nouns) =
            crate::simulate::catalogue::CATEGORIES.get(self.category).copied().unwrap_or_default();
        self.pass(5, 40);
        if self.chance.happens(0.2 + 0.6 * self.shopper.skill) {
            let query = self.chance.one_of(&nouns).copied().unwrap_or(key).to_lowercase();
            let properties = json!({"query": query, "category": key});
            events.extend(self.track(For::Analytics, "Products Searched", properties));
        } else {
            events.extend(self.page(key, &format!("/{key}")));
        }
        // A novice wanders through more products than an expert.
        let wandering = rounded(3.0 * (1.0 - self.shopper.skill));
        for _ in 0..self.chance.between(1, 2 + wandering) {
            self.look_at_product(events);
        }
        self.ask(1, &format!("/{key}/product"))
    }

    fn choose(&mut self, events: &mut Vec<Value>) -> Option<Ask> {
        self.stage = Stage::Leaving;
        if self.chance.happens(probability(self.persuasion - 0.5)) {
            self.look_at_product(events);
        }
        if self.cart.is_empty() {
            self.stage = Stage::Gone;
            return None;
        }
        self.ask(2, "/cart")
    }

    fn leave(&mut self, events: &mut Vec<Value>) -> Option<Ask> {
        self.stage = Stage::Gone;
        if self.chance.happens(probability(self.shopper.inclination + self.persuasion)) {
            self.pass(20, 200);
            if !self.logged_in {
                self.log_in(events);
            }
            self.order(events);
        }
        None
    }

    fn log_in(&mut self, events: &mut Vec<Value>) {
        self.pass(5, 30);
        self.logged_in = true;
        events.extend(self.identify());
    }

    fn look_at_product(&mut self, events: &mut Vec<Value>) {
        self.pass(8, 90);
        let Some(product) = self.find_product() else { return };
        let properties = Value::Object(product.properties());
        events.extend(self.track(For::Analytics, "Product Viewed", properties));
        if self.chance.happens(0.3) {
            self.pass(3, 30);
            let quantity = 1 + i64::from(self.chance.happens(0.2));
            let mut properties = product.properties();
            properties.insert("quantity".into(), quantity.into());
            events.extend(self.track(For::Service, "Product Added", Value::Object(properties)));
            self.cart.push((product, quantity));
        }
    }

    /// Something of the category in mind, at a price the shopper leans to.
    fn find_product(&mut self) -> Option<Product> {
        let products = self.catalogue.of_category(self.category);
        let last = i64::try_from(products.len()).ok()? - 1;
        let leaning = (1.0 - self.shopper.price_sensitivity) * 19.0 + 3.0 * self.chance.normal();
        let place = usize::try_from(rounded(leaning).clamp(0, last)).ok()?;
        products.get(place).map(|product| (*product).clone())
    }

    fn order(&mut self, events: &mut Vec<Value>) {
        let cents =
            self.cart.iter().map(|(product, quantity)| product.price_cents * quantity).sum();
        let item = |(product, quantity): &(Product, i64)| {
            let mut properties = product.properties();
            properties.insert("quantity".into(), (*quantity).into());
            Value::Object(properties)
        };
        let products: Vec<Value> = self.cart.iter().map(item).collect();
        let properties = json!({
            "order_id": format!("{}-order", self.id()), "revenue": money(cents), "currency": CURRENCY,
            "products": products,
        });
        events.extend(self.track(For::Service, "Order Completed", properties));
        self.ordered = Some(cents);
    }

    fn ask(&mut self, place: usize, path: &str) -> Option<Ask> {
        let placement = self.placements.get(place)?.clone();
        self.pass(0, 1);
        let mut identifiers = json!({"anonymous_id": self.device().anonymous_id});
        if let (true, Some(fields)) = (self.logged_in, identifiers.as_object_mut()) {
            fields.insert("user_id".into(), self.shopper.user_id.as_str().into());
        }
        let context = self.request_context(path);
        Some(Ask { placement, identifiers, context, at: self.clock })
    }

    fn pass(&mut self, seconds_min: i64, seconds_max: i64) {
        let seconds = self.chance.between(seconds_min, seconds_max);
        self.clock = after(self.clock, seconds.max(1));
    }
}
