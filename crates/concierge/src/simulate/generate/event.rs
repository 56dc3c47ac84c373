//! Events and contexts as a well-behaved site would send them: what a shopper refused is not said.

use model::Timestamp;
use serde_json::{Map, Value, json};

use super::visit::Visit;

/// What an event is for, which decides whether it may be sent at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum For {
    /// The shop needs it to do what it was asked: carts, orders, logins.
    Service,
    /// It only tells what was looked at.
    Analytics,
}

impl Visit {
    /// Builds an event at the visit's clock, unless the shopper refused what it is for.
    pub(super) fn event(&mut self, purpose: For, body: Map<String, Value>) -> Option<Value> {
        // The number is taken either way, so that consent does not change the ids of the events that are sent.
        let number = self.next_event();
        if purpose == For::Analytics && !self.shopper().consents.analytics {
            return None;
        }
        let mut event = body;
        event.insert("messageId".into(), format!("{}-{number}", self.id()).into());
        event.insert("timestamp".into(), self.clock().to_string().into());
        event.insert("anonymousId".into(), self.device().anonymous_id.as_str().into());
        if self.is_logged_in() {
            event.insert("userId".into(), self.shopper().user_id.as_str().into());
        }
        event.insert("context".into(), self.event_context());
        Some(Value::Object(event))
    }

    /// A track call.
    pub(super) fn track(&mut self, purpose: For, name: &str, properties: Value) -> Option<Value> {
        let mut body = Map::new();
        body.insert("type".into(), "track".into());
        body.insert("event".into(), name.into());
        body.insert("properties".into(), properties);
        self.event(purpose, body)
    }

    /// A page call.
    pub(super) fn page(&mut self, title: &str, path: &str) -> Option<Value> {
        let mut body = Map::new();
        body.insert("type".into(), "page".into());
        body.insert("name".into(), title.into());
        let url = page_url(path);
        body.insert("properties".into(), json!({"path": path, "title": title, "url": url}));
        self.event(For::Analytics, body)
    }

    /// An identify call at login; it carries an address only where the shopper wants messages.
    pub(super) fn identify(&mut self) -> Option<Value> {
        let shopper = self.shopper();
        let mut traits = Map::new();
        traits.insert("first_name".into(), shopper.first_name.into());
        traits.insert("country".into(), shopper.home.country.into());
        if shopper.consents.marketing {
            traits.insert("email".into(), shopper.email.as_str().into());
        }
        let mut body = Map::new();
        body.insert("type".into(), "identify".into());
        body.insert("traits".into(), Value::Object(traits));
        self.event(For::Service, body)
    }

    /// The context of a decision request.
    pub(super) fn request_context(&self, path: &str) -> Value {
        let mut context = self.common_context();
        context.insert("page".into(), json!({"path": path, "url": page_url(path)}));
        Value::Object(context)
    }

    fn event_context(&self) -> Value {
        Value::Object(self.common_context())
    }

    fn common_context(&self) -> Map<String, Value> {
        let shopper = self.shopper();
        let (home, consents) = (shopper.home, shopper.consents);
        let mut context = Map::new();
        context.insert("locale".into(), home.locale.into());
        context.insert("timezone".into(), home.timezone.into());
        context.insert("device".into(), json!({"type": self.device().kind}));
        context.insert("location".into(), json!({"country": home.country, "city": home.city}));
        context.insert(
            "consent".into(),
            json!({"categoryPreferences": {
                "personalization": consents.personalization, "analytics": consents.analytics,
                "marketing": consents.marketing, "advertising": consents.advertising,
            }}),
        );
        if let Some(campaign) = self.campaign().filter(|_| consents.advertising) {
            context.insert("campaign".into(), json!({"source": campaign, "medium": "cpc"}));
        }
        context
    }
}

fn page_url(path: &str) -> String {
    format!("https://shop.example{path}")
}

/// A later instant.
pub(super) fn after(instant: Timestamp, seconds: i64) -> Timestamp {
    instant.saturating_add(model::Duration::seconds(seconds))
}
