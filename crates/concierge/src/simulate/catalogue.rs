//! What the simulated shop sells. The catalogue is the same for every seed, so that definitions can
//! name its categories.

/// A product.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Product {
    pub(crate) id: String,
    pub(crate) name: String,
    /// Its place in [`CATEGORIES`].
    pub(crate) category: usize,
    /// In cents.
    pub(crate) price_cents: i64,
}

/// A kind of products: its key, its lowest price in whole euros, and its nouns.
type Category = (&'static str, i64, [&'static str; 5]);

/// The categories.
pub(crate) const CATEGORIES: [Category; 6] = [
    ("kitchen", 9, ["Bowl", "Pan", "Kettle", "Knife", "Teapot"]),
    ("garden", 12, ["Watering can", "Lantern", "Trowel", "Planter", "Bench"]),
    ("audio", 39, ["Headphones", "Speaker", "Turntable", "Microphone", "Radio"]),
    ("books", 8, ["Novel", "Atlas", "Cookbook", "Notebook", "Calendar"]),
    ("outdoor", 25, ["Backpack", "Tent", "Flask", "Jacket", "Stove"]),
    ("toys", 7, ["Puzzle", "Train", "Kite", "Blocks", "Robot"]),
];

const STYLES: [&str; 4] = ["Plain", "Copper", "Nordic", "Deluxe"];

/// Everything the shop sells.
#[derive(Clone, Debug)]
pub(crate) struct Catalogue {
    products: Vec<Product>,
}

impl Catalogue {
    /// The catalogue: every style of every noun, dearer from style to style and from noun to noun.
    pub(crate) fn new() -> Self {
        let mut products = Vec::new();
        for (category, (key, lowest, nouns)) in CATEGORIES.iter().enumerate() {
            for (n, noun) in (0_i64..).zip(nouns) {
                for (s, style) in (0_i64..).zip(STYLES) {
                    products.push(Product {
                        id: format!("{key}-{}", n * 4 + s + 1),
                        name: format!("{style} {}", noun.to_lowercase()),
                        category,
                        price_cents: lowest * 100 * (2 + n) * (2 + s) / 4 - 5,
                    });
                }
            }
        }
        Self { products }
    }

    /// The products of a category, cheapest first.
    pub(crate) fn of_category(&self, category: usize) -> Vec<&Product> {
        let mut found: Vec<&Product> =
            self.products.iter().filter(|product| product.category == category).collect();
        found.sort_by_key(|product| product.price_cents);
        found
    }
}

impl Product {
    /// The key of its category.
    pub(crate) fn category_key(&self) -> &'static str {
        CATEGORIES.get(self.category).map_or("", |(key, _, _)| key)
    }

    /// Its properties as the e-commerce tracking specification names them.
    pub(crate) fn properties(&self) -> serde_json::Map<String, serde_json::Value> {
        let mut properties = serde_json::Map::new();
        properties.insert("product_id".into(), self.id.as_str().into());
        properties.insert("name".into(), self.name.as_str().into());
        properties.insert("category".into(), self.category_key().into());
        properties.insert("price".into(), money(self.price_cents));
        properties.insert("currency".into(), CURRENCY.into());
        properties
    }
}

/// The currency of the shop.
pub(crate) const CURRENCY: &str = "EUR";

/// Cents as the number of whole units that the tracking specification writes.
#[expect(clippy::cast_precision_loss, reason = "a basket is far below 2^53 cents")]
pub(crate) fn money(cents: i64) -> serde_json::Value {
    if cents % 100 == 0 { (cents / 100).into() } else { (cents as f64 / 100.0).into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_unique_and_prices_positive() {
        let catalogue = Catalogue::new();
        let mut ids: Vec<&str> = catalogue.products.iter().map(|p| p.id.as_str()).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), CATEGORIES.len() * 20);
        assert!(catalogue.products.iter().all(|product| product.price_cents > 0));
        assert_eq!(catalogue.of_category(0).len(), 20);
    }

    #[test]
    fn money_is_exact() {
        assert_eq!(money(1995).to_string(), "19.95");
        assert_eq!(money(2000).to_string(), "20");
    }
}
