//! Whatever a template says: what it becomes is bounded and always the same, and no fault quotes a person.

use super::*;

/// Stands wherever a person's data does.
const PERSONAL: &str = "Zebedee";

#[test]
fn any_template_is_refused_or_filled_in_within_its_bounds() {
    let data = json!({
        "n": 7, "zero": 0, "price": 19.5, "big": i64::MAX, "name": PERSONAL, "huge": 1e300, "yes": true,
        "html": format!("<a href=\"{PERSONAL}\">&'"), "list": ["a", PERSONAL, {"deep": true}],
        "page": {"title": "Start", "none": null}, "when": "2026-11-21T13:30:00+01:00",
    });
    let context: LazyObject = data.as_object().unwrap().clone().into();
    let profile =
        || json!({"first_name": PERSONAL, "tags": [PERSONAL]}).as_object().unwrap().clone();
    ::fuzz::run("templates", include_str!("fuzz.seeds"), |input| {
        let Ok(text) = std::str::from_utf8(input) else { return "no text".into() };
        let fill = |escape| {
            let scope = Scope::new(&context, Some(&profile));
            let mut room = MAX_OUTPUT_BYTES;
            let filled = Template::parse(text)?.render(&scope, escape, &mut room)?;
            assert_eq!(filled.len(), MAX_OUTPUT_BYTES - room, "the room is what is left");
            Ok::<_, TemplateError>(filled)
        };
        let plain = fill(Escape::Nothing);
        assert_eq!(plain, fill(Escape::Nothing), "the same every time");
        match (plain, fill(Escape::Html)) {
            (Ok(plain), Ok(_)) => {
                assert!(plain.len() <= MAX_OUTPUT_BYTES);
                format!("filled in {} {}", plain.is_empty(), plain.contains(PERSONAL))
            }
            (Err(error), _) | (_, Err(error)) => {
                let message = error.to_string();
                // A template may name them itself.
                let quotes = message.contains(PERSONAL) && !text.contains(PERSONAL);
                assert!(!quotes, "a fault quotes a person: {message}");
                ::fuzz::kind_of(&message)
            }
        }
    });
}
