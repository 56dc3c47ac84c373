//! An explanation for reading: first what is known about the person, then what became of each experience.

use serde_json::Value;

/// The lines of an explanation.
pub(super) fn told(steps: &[Value]) -> Vec<String> {
    let mut lines = Vec::new();
    let of_person = steps.iter().filter(|step| text(step, "experience").is_empty());
    let looked_at: Vec<&str> = of_person
        .clone()
        .filter(|step| is_header(step))
        .filter_map(|step| quoted(text(step, "text")))
        .filter(|audience| is_asked(steps, audience))
        .collect();
    lines.push("  what is known".to_owned());
    for step in of_person {
        // The parts of an audience's rule are worth reading only where an experience asks for the audience.
        let rule_of = quoted(text(step, "text")).unwrap_or_default();
        if is_header(step) || looked_at.contains(&rule_of) {
            lines.push(line(step));
        }
    }
    for experience in in_order(steps) {
        lines.push(format!("  experience {experience}"));
        let about = |step: &&Value| text(step, "experience") == experience;
        lines.extend(steps.iter().filter(about).map(line));
    }
    lines
}

/// The experiences of an explanation, as they first appear.
fn in_order(steps: &[Value]) -> Vec<&str> {
    let mut found = Vec::new();
    for experience in steps.iter().map(|step| text(step, "experience")) {
        if !experience.is_empty() && !found.contains(&experience) {
            found.push(experience);
        }
    }
    found
}

/// Whether a step is not a part of a rule.
fn is_header(step: &Value) -> bool {
    text(step, "pointer").is_empty()
}

/// Whether some experience asks for the audience.
fn is_asked(steps: &[Value], audience: &str) -> bool {
    let asked = format!("in audience {audience}:");
    steps.iter().any(|step| text(step, "text").starts_with(&asked))
}

/// The key between the first two backticks.
fn quoted(text: &str) -> Option<&str> {
    text.split('`').nth(1)
}

fn line(step: &Value) -> String {
    let mark = match text(step, "truth") {
        "true" => "✓",
        "false" => "✗",
        "withheld" => "?",
        _ => "·",
    };
    // A part of a rule stands below the rule, one step further in for each level.
    let depth = text(step, "pointer").matches('/').count();
    let indent = "  ".repeat(depth.div_ceil(2));
    format!("    {mark} {:<11} {indent}{}", text(step, "stage"), text(step, "text"))
}

fn text<'a>(step: &'a Value, key: &str) -> &'a str {
    step.get(key).and_then(Value::as_str).unwrap_or_default()
}
