//! What components look like: a page is given what is for the parts that are there.

use super::Component;

/// Sections, each after a line `/*= name */`.
const SHEET: &str = include_str!("component.css");

/// The style sheet of a component, without what is for other parts.
pub(super) fn of(component: &Component) -> String {
    let parts = [
        ("base", true),
        ("image", component.image.is_some()),
        ("countdown", component.countdown.is_some()),
        ("coupon", component.coupon.is_some()),
        ("survey", component.is_asking()),
        ("items", !component.items.is_empty()),
        ("why", component.reason().is_some()),
        (component.kind.name(), true),
    ];
    parts.iter().filter(|(_, is_there)| *is_there).map(|(name, _)| section(name)).collect()
}

/// A section, with its rules on lines of their own.
fn section(name: &str) -> String {
    let sections = SHEET.split("/*= ").filter_map(|section| section.split_once(" */"));
    let rules = sections.filter(|(known, _)| *known == name).flat_map(|(_, rules)| rules.lines());
    rules.map(str::trim).collect()
}
