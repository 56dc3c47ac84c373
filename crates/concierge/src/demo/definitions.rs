//! The demo's definitions, built into the binary from `examples/demo/definitions`.

use std::path::Path;

use anyhow::Context as _;

use crate::apply::{Document, parse_documents, sort_documents};

/// Paths within `examples/demo/definitions`, with their text.
macro_rules! embedded {
    ($($path:literal),+ $(,)?) => {
        [$(($path, include_str!(concat!("../../../../examples/demo/definitions/", $path)))),+]
    };
}

const FILES: [(&str, &str); 48] = embedded![
    "audiences/arabic_pages.json",
    "audiences/audio_fans.json",
    "audiences/big_spenders.json",
    "audiences/budget_lookers.json",
    "audiences/cart_abandoners.json",
    "audiences/frequent_buyers.json",
    "audiences/just_bought.json",
    "audiences/lapsed.json",
    "audiences/luxury_lookers.json",
    "audiences/new_visitors.json",
    "audiences/returning_visitors.json",
    "audiences/swedish_pages.json",
    "audiences/swedish_speakers.json",
    "computed_traits/delivery_city.json",
    "computed_traits/favourite_categories.json",
    "computed_traits/price_tier.json",
    "experiences/audio_row.json",
    "experiences/budget_row.json",
    "experiences/cart_saver.json",
    "experiences/checkout_reassurance.json",
    "experiences/delivery_banner.json",
    "experiences/favourite_hero.json",
    "experiences/first_impression.json",
    "experiences/first_order.json",
    "experiences/garden_landing.json",
    "experiences/hesitation.json",
    "experiences/luxury_row.json",
    "experiences/newcomer_layout.json",
    "experiences/product_row_test.json",
    "experiences/returning_hero.json",
    "experiences/search_help.json",
    "experiences/swedish_hero.json",
    "experiences/weather_banner.json",
    "experiences/welcome_back.json",
    "experiences/win_back.json",
    "placements/cart_note.json",
    "placements/checkout_note.json",
    "placements/exit_popup.json",
    "placements/home_hero.json",
    "placements/home_page.json",
    "placements/home_row.json",
    "placements/landing.json",
    "placements/product_note.json",
    "placements/product_row.json",
    "placements/search_note.json",
    "placements/top_bar.json",
    "purposes/advertising.json",
    "purposes/marketing.json",
];

/// The definitions, in the order in which they are saved.
pub(super) fn documents() -> anyhow::Result<Vec<Document>> {
    let mut documents = Vec::new();
    for (path, text) in FILES {
        documents.extend(parse_documents(Path::new(path), text).context(path)?);
    }
    sort_documents(&mut documents);
    Ok(documents)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn every_file_of_the_example_is_built_in_and_sound() {
        // Asked for when the test runs: clones share build results.
        let package = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").unwrap());
        let folder = package.join("../../examples/demo/definitions");
        let mut on_disk = Vec::new();
        for kind in std::fs::read_dir(folder).unwrap() {
            let kind = kind.unwrap();
            for file in std::fs::read_dir(kind.path()).unwrap() {
                let names = [kind.file_name(), file.unwrap().file_name()];
                on_disk.push(names.map(|name| name.into_string().unwrap()).join("/"));
            }
        }
        on_disk.sort();
        assert_eq!(on_disk, FILES.map(|(path, _)| path.to_owned()));
        assert_eq!(documents().unwrap().len(), FILES.len());
    }
}
