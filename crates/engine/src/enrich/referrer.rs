//! Through which channel somebody came: the groups that web analytics has in common, told by the
//! campaign's medium and source, the network of a click, and the site that linked here.

use std::iter::successors;

/// What is known of an arrival.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Arrival<'a> {
    /// The domain of the page that was looked at.
    pub(super) page: Option<&'a str>,
    /// The domain of the page before it.
    pub(super) referrer: Option<&'a str>,
    /// The campaign's source.
    pub(super) source: Option<&'a str>,
    /// The campaign's medium.
    pub(super) medium: Option<&'a str>,
    /// The network that was paid for the click.
    pub(super) click: Option<&'a str>,
}

/// What kind of site a domain is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Site {
    Search,
    Social,
    Video,
    Shopping,
    Mail,
    Assistant,
}

/// Sites by a label of their domain that is followed by a country's or another ending, or by a whole
/// domain. Campaigns name their sources by the same labels.
const SITES: [(&str, Site); 58] = [
    ("google", Site::Search),
    ("bing", Site::Search),
    ("yahoo", Site::Search),
    ("duckduckgo", Site::Search),
    ("ecosia", Site::Search),
    ("baidu", Site::Search),
    ("yandex", Site::Search),
    ("startpage", Site::Search),
    ("qwant", Site::Search),
    ("naver", Site::Search),
    ("seznam", Site::Search),
    ("sogou", Site::Search),
    ("search.brave.com", Site::Search),
    ("kagi", Site::Search),
    ("ask", Site::Search),
    ("aol", Site::Search),
    ("facebook", Site::Social),
    ("instagram", Site::Social),
    ("threads", Site::Social),
    ("linkedin", Site::Social),
    ("lnkd.in", Site::Social),
    ("twitter", Site::Social),
    ("t.co", Site::Social),
    ("x.com", Site::Social),
    ("pinterest", Site::Social),
    ("reddit", Site::Social),
    ("tiktok", Site::Social),
    ("snapchat", Site::Social),
    ("bsky", Site::Social),
    ("mastodon", Site::Social),
    ("vk", Site::Social),
    ("weibo", Site::Social),
    ("quora", Site::Social),
    ("tumblr", Site::Social),
    ("xing", Site::Social),
    ("whatsapp", Site::Social),
    ("t.me", Site::Social),
    ("discord", Site::Social),
    ("news.ycombinator.com", Site::Social),
    ("youtube", Site::Video),
    ("youtu.be", Site::Video),
    ("vimeo", Site::Video),
    ("twitch", Site::Video),
    ("dailymotion", Site::Video),
    ("amazon", Site::Shopping),
    ("ebay", Site::Shopping),
    ("etsy", Site::Shopping),
    ("idealo", Site::Shopping),
    ("prisjakt", Site::Shopping),
    ("mail.google.com", Site::Mail),
    ("mail.yahoo.com", Site::Mail),
    ("outlook", Site::Mail),
    ("mail.proton.me", Site::Mail),
    ("chatgpt", Site::Assistant),
    ("openai", Site::Assistant),
    ("perplexity", Site::Assistant),
    ("claude", Site::Assistant),
    ("copilot.microsoft.com", Site::Assistant),
];

/// The channel of an arrival.
pub(super) fn channel(arrival: &Arrival<'_>) -> &'static str {
    let Arrival { page, referrer, source, medium, click } = *arrival;
    let medium = medium.map(|medium| medium.trim().to_ascii_lowercase()).unwrap_or_default();
    let source = source.map(|source| source.trim().to_ascii_lowercase()).unwrap_or_default();
    let site = named_site(&source).or_else(|| referrer.and_then(site));
    if is_paid(&medium) {
        return paid(&medium, site);
    }
    if let Some(channel) = by_medium(&medium, &source) {
        return channel;
    }
    // Meta marks every outgoing link, paid or not; the other networks only what was paid for.
    if medium.is_empty()
        && let Some(network) = click.filter(|network| *network != "meta")
    {
        return by_network(network);
    }
    match (site, referrer) {
        (_, Some(domain)) if page.is_some_and(|page| is_same_site(page, domain)) => "internal",
        (Some(site), _) => organic(site),
        (None, Some(_)) => "referral",
        (None, None) if source.is_empty() && medium.is_empty() => "direct",
        (None, None) => "other",
    }
}

fn is_paid(medium: &str) -> bool {
    ["cpc", "ppc", "cpm", "cpv", "cpa", "cpp", "sem", "retargeting", "display", "banner"]
        .contains(&medium)
        || medium.starts_with("paid")
}

fn paid(medium: &str, site: Option<Site>) -> &'static str {
    if ["display", "banner", "cpm"].contains(&medium) {
        return "display";
    }
    let says = |word: &str| medium.contains(word);
    match site {
        Some(Site::Search) => "paid_search",
        Some(Site::Social) => "paid_social",
        Some(Site::Video) => "paid_video",
        Some(Site::Shopping) => "paid_shopping",
        _ if says("social") => "paid_social",
        _ if says("search") || medium == "sem" => "paid_search",
        _ if says("video") => "paid_video",
        _ if says("shopping") => "paid_shopping",
        _ => "paid_other",
    }
}

fn by_medium(medium: &str, source: &str) -> Option<&'static str> {
    let either = |words: &[&str]| words.contains(&medium) || words.contains(&source);
    if either(&["email", "e-mail", "e_mail", "newsletter"]) {
        return Some("email");
    }
    Some(match medium {
        "affiliate" | "affiliates" => "affiliate",
        "sms" | "mms" | "text" => "sms",
        "push" | "web_push" | "web-push" | "webpush" | "notification" => "push",
        "social" | "social-network" | "social_network" | "social-media" | "social_media" | "sm" => {
            "organic_social"
        }
        "organic" => "organic_search",
        "video" => "organic_video",
        "audio" | "podcast" => "audio",
        "qr" | "offline" | "print" => "offline",
        "referral" | "link" | "app" => "referral",
        _ => return None,
    })
}

fn by_network(network: &str) -> &'static str {
    match network {
        "google" | "microsoft" | "yandex" => "paid_search",
        "google_display" => "display",
        "impact" | "awin" => "affiliate",
        _ => "paid_social",
    }
}

fn organic(site: Site) -> &'static str {
    match site {
        Site::Search => "organic_search",
        Site::Social => "organic_social",
        Site::Video => "organic_video",
        Site::Shopping => "organic_shopping",
        Site::Mail => "email",
        Site::Assistant => "ai_assistant",
    }
}

/// The site that a campaign's source names, as a word or as a domain.
fn named_site(source: &str) -> Option<Site> {
    let short = [("fb", Site::Social), ("ig", Site::Social), ("yt", Site::Video)];
    let by_word = SITES.iter().chain(&short).find(|(word, _)| *word == source);
    by_word.map(|(_, site)| *site).or_else(|| source.contains('.').then(|| site(source)).flatten())
}

/// What kind of site a domain is, the longest name that fits first.
fn site(domain: &str) -> Option<Site> {
    let domain = domain.to_ascii_lowercase();
    let named = |name: &str| SITES.iter().find(|(known, _)| *known == name).map(|(_, site)| *site);
    let whole = successors(Some(&*domain), |domain| domain.split_once('.').map(|(_, above)| above))
        .filter(|domain| domain.contains('.'))
        .find_map(named);
    // What follows the label is the ending: `com`, `co.uk`.
    let by_label = || {
        let mut labels = domain.rsplit('.').skip(1);
        let label = labels.next().and_then(named);
        label.or_else(|| labels.next().filter(|_| has_short_ending(&domain)).and_then(named))
    };
    whole.or_else(by_label)
}

/// Whether a domain ends as in `co.uk` or `com.au`.
fn has_short_ending(domain: &str) -> bool {
    let mut labels = domain.rsplit('.');
    let (last, second) = (labels.next(), labels.next());
    last.is_some_and(|last| last.len() == 2)
        && second.is_some_and(|second| ["co", "com", "org", "net", "ne", "or"].contains(&second))
}

/// Whether one domain is the other or lies under it.
fn is_same_site(one: &str, other: &str) -> bool {
    let under = |one: &str, other: &str| {
        let cut = one.len().checked_sub(other.len());
        cut.is_some_and(|cut| {
            let (head, tail) = (one.get(..cut), one.get(cut..));
            tail.is_some_and(|tail| tail.eq_ignore_ascii_case(other))
                && head.is_some_and(|head| head.is_empty() || head.ends_with('.'))
        })
    };
    under(one, other) || under(other, one)
}

/// The domain of an address, without `www.`.
pub(super) fn domain(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("://")?;
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let host = rest.get(..end)?;
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    let host = match host.strip_prefix('[') {
        Some(v6) => v6.split_once(']').map(|(v6, _)| v6)?,
        None => host.split_once(':').map_or(host, |(host, _)| host),
    };
    let host = host.strip_prefix("www.").unwrap_or(host);
    (!host.is_empty() && host.len() <= 253).then_some(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(campaign: (&str, &str), from: &str, click: &str, expected: &str) {
        let some = |text| Some(text).filter(|text: &&str| !text.is_empty());
        let (source, medium) = campaign;
        let arrival = Arrival {
            page: Some("shop.example"),
            referrer: domain(from),
            source: some(source),
            medium: some(medium),
            click: some(click),
        };
        assert_eq!(channel(&arrival), expected, "{arrival:?}");
    }

    #[test]
    fn channels_are_told_apart() {
        let none = ("", "");
        check(none, "", "", "direct");
        check(none, "https://shop.example/cart", "", "internal");
        check(none, "https://blog.shop.example/", "", "internal");
        check(none, "https://other.example/x?y", "", "referral");
        check(none, "https://www.google.co.uk/", "", "organic_search");
        check(none, "https://www.google.com/", "google", "paid_search");
        check(none, "https://mail.google.com/", "", "email");
        check(none, "https://notgoogle.com/", "", "referral");
        check(none, "https://google.evil.example.com/", "", "referral");
        check(none, "https://l.facebook.com/l.php", "meta", "organic_social");
        check(none, "https://t.co/abc", "", "organic_social");
        check(none, "https://chatgpt.com/", "", "ai_assistant");
        check(none, "", "microsoft", "paid_search");
        check(none, "", "awin", "affiliate");
        check(("google", "cpc"), "", "google", "paid_search");
        check(("fb", "paid"), "https://l.facebook.com/", "meta", "paid_social");
        check(("youtube", "cpv"), "", "", "paid_video");
        check(("adnet", "display"), "", "", "display");
        check(("adnet", "paidsocial"), "", "", "paid_social");
        check(("autumn", "E-Mail"), "https://www.google.com/", "", "email");
        check(("newsletter", ""), "", "", "email");
        check(("partner", "affiliate"), "", "", "affiliate");
        check(("chatgpt.com", ""), "", "", "ai_assistant");
        check(("leaflet", "whatever"), "", "", "other");
    }

    #[test]
    fn domains_are_read_from_addresses() {
        assert_eq!(domain("https://user@www.Shop.example:8443/x?y#z"), Some("Shop.example"));
        assert_eq!(domain("http://[::1]:80/"), Some("::1"));
        assert_eq!(domain("android-app://com.google.android.gm"), Some("com.google.android.gm"));
        for nothing in ["", "shop.example/x", "https://", "https:///x", "https://[::1"] {
            assert_eq!(domain(nothing), None, "{nothing}");
        }
    }
}
