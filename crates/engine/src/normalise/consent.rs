//! What a context says about consent, in the two shapes that clients use.

use model::{Consents, Purpose, Value};

/// Reads `consent.categoryPreferences` (category to bool) and `consentManagement` (lists of allowed
/// and denied ids) from the members of a context.
///
/// A category that stands for no purpose of the workspace is passed over; it stays readable in the context.
pub fn consents<'a>(
    member: impl Fn(&str) -> Option<&'a Value>,
    purpose: &dyn Fn(&str) -> Option<Purpose>,
) -> Consents {
    let mut said = Consents::default();
    let at = |outer: &str, inner: &str| member(outer).and_then(|value| value.get(inner));
    if let Some(Value::Object(preferences)) = at("consent", "categoryPreferences") {
        for (category, answer) in preferences {
            if let Some(granted) = answer.as_bool() {
                state(&mut said, purpose(category), granted);
            }
        }
    }
    for (list, granted) in [("allowedConsentIds", true), ("deniedConsentIds", false)] {
        match at("consentManagement", list) {
            Some(Value::Array(ids)) => {
                for id in ids.iter().filter_map(Value::as_str) {
                    state(&mut said, purpose(id), granted);
                }
            }
            Some(Value::Object(ids)) => {
                for id in ids.keys() {
                    state(&mut said, purpose(id), granted);
                }
            }
            _ => {}
        }
    }
    said
}

fn state(said: &mut Consents, purpose: Option<Purpose>, granted: bool) {
    let Some(purpose) = purpose else { return };
    if granted {
        said.granted = said.granted.with(purpose);
    } else {
        said.denied = said.denied.with(purpose);
    }
}
