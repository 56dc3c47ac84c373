//! The tag, for sites whose pages cannot be edited.

use crate::{Consent, Options, escape};

/// The first part of the tag, as `docs/guide/personalise-your-site.md` has it.
const SNIPPET: &str = include_str!("snippet.js");

/// What the head of a page is given; nothing where the pages have a tag of their own.
pub(crate) fn tag(options: &Options) -> String {
    let Some(address) = &options.tag else { return String::new() };
    let consent = match options.consent {
        Consent::Assumed => "",
        // Of the page's own options these hold, since what they say was agreed on with whoever runs the proxy.
        Consent::Required => {
            "conciergeOptions=Object.assign({},window.conciergeOptions,{consent:'required'});"
        }
    };
    let address = escape::html(address.trim_end_matches('/'));
    let key = escape::html(&options.write_key);
    format!(
        "<script>{consent}{SNIPPET}</script><script async src=\"{address}/sdk/{key}.js\"></script>"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_snippet_is_that_of_the_guide() {
        let guide = include_str!("../../../docs/guide/personalise-your-site.md");
        assert!(guide.contains(SNIPPET.trim_end()));
    }
}
