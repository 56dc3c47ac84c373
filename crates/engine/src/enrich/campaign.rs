//! Which campaign brought somebody, as the address of the page says, and through which channel.

use std::borrow::Cow;

use model::{LazyObject, Value, value::Object};

use super::{
    complete as complete_member,
    referrer::{self, Arrival},
    text,
};

/// The parameters that links of campaigns carry, and what they are called here.
const PARAMETERS: [(&str, &str); 6] = [
    ("utm_source", "source"),
    ("utm_medium", "medium"),
    ("utm_campaign", "name"),
    ("utm_term", "term"),
    ("utm_content", "content"),
    ("utm_id", "id"),
];

/// The parameters that advertising networks add to links, with the network.
const CLICK_IDS: [(&str, &str); 15] = [
    ("gclid", "google"),
    ("gbraid", "google"),
    ("wbraid", "google"),
    ("dclid", "google_display"),
    ("msclkid", "microsoft"),
    ("fbclid", "meta"),
    ("ttclid", "tiktok"),
    ("twclid", "x"),
    ("li_fat_id", "linkedin"),
    ("epik", "pinterest"),
    ("ScCid", "snapchat"),
    ("rdt_cid", "reddit"),
    ("yclid", "yandex"),
    ("irclickid", "impact"),
    ("awc", "awin"),
];

/// Longest value of a parameter that is kept, in bytes.
const VALUE_BYTES_MAX: usize = 200;
/// Most parameters of an address that are looked at.
const PARAMETERS_MAX: usize = 100;

/// Adds `campaign` and `referrer` to a context that says which page was looked at.
pub(super) fn complete(context: &mut LazyObject, properties: Option<&LazyObject>) {
    let own = |name: &str| properties.and_then(|p| text(p, name)).map(str::to_owned);
    let said = |path: &str| text(context, path).map(str::to_owned);
    let page = said("page.url").or_else(|| own("url"));
    let from = said("page.referrer").or_else(|| said("referrer.url")).or_else(|| own("referrer"));
    let has_campaign = context.get("campaign").is_some_and(Value::is_object);
    if page.is_none() && from.is_none() && !has_campaign {
        return;
    }
    let page = page.unwrap_or_default();
    let mut found = Object::new();
    let mut click = None;
    for (name, value) in query(&page).take(PARAMETERS_MAX) {
        if let Some((_, part)) = PARAMETERS.iter().find(|(known, _)| *known == name) {
            let end = value.floor_char_boundary(VALUE_BYTES_MAX);
            if !value.is_empty() {
                found.entry(*part).or_insert_with(|| value[..end].into());
            }
        } else if let Some((_, network)) = CLICK_IDS.iter().find(|(known, _)| *known == name) {
            click = click.or(Some(*network));
        }
    }
    let [a, b, c, d, e, f] = PARAMETERS.map(|(_, part)| (part, found.remove(part)));
    let click = ("click", click.map(Value::from));
    complete_member(context, "campaign", [a, b, c, d, e, f, click]);
    let domain = from.as_deref().and_then(referrer::domain);
    let channel = referrer::channel(&Arrival {
        page: referrer::domain(&page),
        referrer: domain,
        source: text(context, "campaign.source"),
        medium: text(context, "campaign.medium"),
        click: text(context, "campaign.click"),
    });
    let domain = domain.map(str::to_ascii_lowercase).map(Value::from);
    complete_member(context, "referrer", [("domain", domain), ("channel", Some(channel.into()))]);
}

/// The parameters of an address.
fn query(url: &str) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
    let url = url.split_once('#').map_or(url, |(url, _)| url);
    let query = url.split_once('?').map_or("", |(_, query)| query);
    form_urlencoded::parse(query.as_bytes())
}
