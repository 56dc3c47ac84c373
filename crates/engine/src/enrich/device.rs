//! Which device, system and browser a user agent names.
//!
//! The names come from woothee's table. Browsers say less and less there: versions of systems are
//! frozen and models left out; what they say in client hints (`userAgentData`) goes first.

use std::{fmt, sync::Arc};

use model::{LazyObject, Value, value::Object};
use quick_cache::sync::Cache;
use woothee::parser::{Parser, WootheeResult};

use super::complete;

/// How many different user agents are remembered: a busy site sees some thousands a day.
const CACHED: usize = 4_096;
/// Longest user agent that is looked at, in bytes; the rest tells nothing more.
const AGENT_BYTES_MAX: usize = 512;

/// Reads user agents, each once.
pub(super) struct Devices {
    cache: Cache<String, Arc<Device>>,
    parser: Parser,
}

/// What a user agent says.
#[derive(Debug, Default)]
pub(super) struct Device {
    kind: Option<&'static str>,
    os: Option<String>,
    os_version: Option<String>,
    browser: Option<String>,
    browser_version: Option<String>,
}

impl Default for Devices {
    fn default() -> Self {
        Self { cache: Cache::new(CACHED), parser: Parser::new() }
    }
}

impl fmt::Debug for Devices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Devices({} known)", self.cache.len())
    }
}

impl Devices {
    /// What a user agent says.
    pub(super) fn of(&self, agent: &str) -> Arc<Device> {
        let agent = &agent[..agent.floor_char_boundary(AGENT_BYTES_MAX)];
        if let Some(known) = self.cache.get(agent) {
            return known;
        }
        let device = Arc::new(Device::read(&self.parser, agent));
        self.cache.insert(agent.to_owned(), Arc::clone(&device));
        device
    }
}

impl Device {
    fn read(parser: &Parser, agent: &str) -> Self {
        let Some(read) = parser.parse(agent) else { return Self::default() };
        let (os, os_version) = system(&read);
        let said = |text: &str| (!text.is_empty() && text != UNKNOWN).then(|| text.to_owned());
        Self {
            kind: kind(agent, &read),
            os: os.map(str::to_owned),
            os_version,
            browser: said(read.name),
            browser_version: said(read.version),
        }
    }

    /// Adds it to a context; `hints` is what the browser says of itself.
    pub(super) fn complete(&self, context: &mut LazyObject, hints: Option<&Object>) {
        let hint = |name: &str| hints.and_then(|hints| hints.get(name));
        let hinted = |name: &str| hint(name).filter(|v| v.as_str().is_some_and(|t| !t.is_empty()));
        let kind = match hint("mobile").and_then(Value::as_bool) {
            // A tablet says that it is not mobile, as a desktop does.
            Some(true) if self.kind == Some("desktop") => Some("mobile"),
            _ => self.kind,
        };
        let value = |text: &Option<String>| text.as_deref().map(Value::from);
        let os = hinted("platform").cloned().or_else(|| value(&self.os));
        let os_version = hinted("platformVersion").cloned().or_else(|| {
            // Behind a hint the frozen version would be that of another system.
            hinted("platform").is_none().then(|| value(&self.os_version)).flatten()
        });
        name_kind(context, kind);
        let model = hinted("model").cloned();
        complete(context, "device", [("type", kind.map(Value::from)), ("model", model)]);
        complete(context, "os", [("name", os), ("version", os_version)]);
        let (browser, version) = (value(&self.browser), value(&self.browser_version));
        complete(context, "browser", [("name", browser), ("version", version)]);
    }
}

/// What woothee says where it does not know.
const UNKNOWN: &str = "UNKNOWN";

/// Mobile clients name the system where others name the kind of device; the kind is meant.
fn name_kind(context: &mut LazyObject, kind: Option<&'static str>) {
    let is_system = super::text(context, "device.type")
        .is_some_and(|kind| ["ios", "android"].iter().any(|os| kind.eq_ignore_ascii_case(os)));
    if !is_system {
        return;
    }
    if let Some(Value::Object(device)) = context.get("device") {
        let mut device = device.clone();
        device.insert("type".to_owned(), kind.unwrap_or("mobile").into());
        context.insert("device", Value::Object(device));
    }
}

fn kind(agent: &str, read: &WootheeResult<'_>) -> Option<&'static str> {
    let has = |word: &str| agent.contains(word);
    Some(match read.category {
        "crawler" => "bot",
        _ if has("SmartTV") || has("SMART-TV") || has("AppleTV") || has("BRAVIA") => "tv",
        _ if read.os == "iPad" || has("Tablet") => "tablet",
        // Phones say "Mobile", tablets with Android do not.
        _ if read.os == "Android" && !has("Mobile") => "tablet",
        "smartphone" | "mobilephone" => "mobile",
        "pc" => "desktop",
        "appliance" => "console",
        _ => return None,
    })
}

/// The system's common name and version.
fn system<'a>(read: &WootheeResult<'a>) -> (Option<&'a str>, Option<String>) {
    let version = Some(&*read.os_version).filter(|v| !v.is_empty() && *v != UNKNOWN);
    let version = version.map(str::to_owned);
    match read.os {
        UNKNOWN | "" => (None, None),
        "iPhone" | "iPod" | "iOS" => (Some("iOS"), version),
        "iPad" => (Some("iPadOS"), version),
        "Mac OSX" | "Mac OS Classic" => (Some("macOS"), version),
        os => match os.split_once(' ') {
            Some(("Windows", release)) => (Some("Windows"), Some(release.to_owned())),
            _ => (Some(os), version),
        },
    }
}
