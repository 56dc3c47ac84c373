//! What is noticed about who sent an event: programs, and the organisation's own people.

use isbot::Bots;
use model::{LazyObject, Value, event::Marks, value::Object};
use quality::traffic::{Sighting, Traffic};

use crate::caller::Caller;

/// User agents whose answer is remembered: the common ones, many times over.
const AGENTS_KNOWN_MAX: usize = 4_096;
/// Longest part of a user agent that is looked at, in bytes.
const AGENT_BYTES_MAX: usize = 512;

/// Entries of the list that name how something was sent, and not who sent it: libraries of servers and
/// apps, apps in which people read, and the proxies through which mail programs load images for them.
const NOT_BOTS: &[&str] = &[
    "^curl",
    "^ddg_android",
    "^duckduckgo",
    "^java/",
    "^javascript",
    "^lua-resty-http",
    "^navermailapp",
    "^php",
    "^php-curl-class",
    "^postmanruntime",
    "^ramblermail",
    "^snapchat",
    "^spotify/",
    "^unityplayer",
    "^viber$",
    "ahc/",
    "aiohttp",
    "axios",
    "go-http-client",
    "google web preview",
    "googleimageproxy",
    "guzzlehttp",
    "http_get",
    "httpclient",
    "httpurlconnection",
    "httpx",
    "jetty",
    "libwww-perl",
    "node-fetch/",
    "okhttp",
    "pcore-http",
    "pycurl",
    "python-requests",
    "python-urllib",
    "wget",
];

/// Which user agents are programs, by a list of patterns.
#[derive(Debug)]
pub(crate) struct Agents {
    bots: Bots,
    /// By a hash of the user agent.
    known: quick_cache::sync::Cache<u64, bool>,
}

impl Default for Agents {
    fn default() -> Self {
        let mut bots = Bots::default();
        bots.remove(NOT_BOTS);
        Self { bots, known: quick_cache::sync::Cache::new(AGENTS_KNOWN_MAX) }
    }
}

impl Agents {
    /// Whether a user agent is a known program.
    pub(crate) fn is_bot(&self, agent: &str) -> bool {
        let agent = agent.get(..agent.floor_char_boundary(AGENT_BYTES_MAX)).unwrap_or_default();
        let hash = model::hash::event_name(agent);
        if let Some(known) = self.known.get(&hash) {
            return known;
        }
        let is_bot = self.bots.is_bot(agent);
        self.known.insert(hash, is_bot);
        is_bot
    }

    /// What is noticed about a caller.
    pub(crate) fn of_caller(&self, traffic: &Traffic, caller: &Caller<'_>) -> Marks {
        let is_named = caller.user_agent.is_some_and(|agent| self.is_bot(agent));
        let (traits, context) = (Object::new(), LazyObject::default());
        traffic.marks(&Sighting {
            ip: caller.ip,
            user_agent: caller.user_agent,
            is_known_bot: is_named || caller.is_automatic,
            traits: &traits,
            context: &context,
        })
    }

    /// What is noticed about an event or a request by what it carries itself.
    pub(crate) fn of_content(
        &self,
        traffic: &Traffic,
        context: &LazyObject,
        traits: &Object,
    ) -> Marks {
        let text = |name: &str| context.get(name).and_then(Value::as_str);
        let user_agent = text("userAgent").or_else(|| text("user_agent"));
        traffic.marks(&Sighting {
            ip: text("ip").and_then(|ip| ip.parse().ok()),
            user_agent,
            is_known_bot: user_agent.is_some_and(|agent| self.is_bot(agent)),
            traits,
            context,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_told_from_people_and_from_what_people_use() {
        let agents = Agents::default();
        for bot in [
            "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
            "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm) Chrome/116.0.1938.76 Safari/537.36",
            "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/120.0.0.0 Safari/537.36",
            "Mozilla/5.0 (Linux; Android 11; moto g power (2022)) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/109.0.0.0 Mobile Safari/537.36 Chrome-Lighthouse",
            "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)",
        ] {
            assert!(agents.is_bot(bot), "{bot}");
            assert!(agents.is_bot(bot), "{bot}, from memory");
        }
        for human in [
            "Mozilla/5.0 (iPhone; CPU iPhone OS 17_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.1 Mobile/15E148 Safari/604.1",
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:121.0) Gecko/20100101 Firefox/121.0",
            "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Mobile Safari/537.36",
            "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)",
            "okhttp/4.9.3",
            "analytics-python/2.2.3",
            "python-requests/2.31",
            "Dalvik/2.1.0 (Linux; U; Android 13)",
            "curl/8.4.0",
            "axios/1.6",
            "OurApp/3.1 CFNetwork/1474 Darwin/23.0.0",
            "",
        ] {
            assert!(!agents.is_bot(human), "{human}");
        }
    }

    #[test]
    fn a_long_agent_is_cut_between_characters() {
        let agents = Agents::default();
        assert!(!agents.is_bot(&"é".repeat(600)));
    }
}
