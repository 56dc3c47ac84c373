//! All experiences together, as a text and as a page.

use serde_json::Value;

use super::{
    difference, list, money, report,
    report::{capitalised, coded},
    row, text, verdict,
};
use crate::screen;

/// The programme, for reading.
pub(super) fn told(programme: &Value) -> String {
    let mut lines = vec![counted(programme), format!("  as of {}", text(programme, "as_of"))];
    for holdout in list(programme, "holdouts") {
        lines.push(String::new());
        lines.push(held_by(holdout));
        lines.extend(warned(holdout).map(|warning| format!("  {warning}")));
        for told in list(holdout, "money") {
            lines.push(format!("  {}", brought(told)));
            let result = &told["result"];
            let columns = ["", "units", "value", "best", "difference", "interval", "p", ""];
            let rows = list(result, "arms").map(|arm| row(result, arm));
            let columns = columns.map(str::to_owned).to_vec();
            let table: Vec<Vec<String>> = std::iter::once(columns).chain(rows).collect();
            lines.extend(screen::table(&table).lines().map(|line| format!("    {line}")));
        }
    }
    let experiences: Vec<Vec<String>> = list(programme, "experiences").map(one).collect();
    if !experiences.is_empty() {
        lines.push(String::new());
        let columns = ["experience", "", "units", "verdict", "goal", "best for everybody"];
        let columns = columns.map(str::to_owned).to_vec();
        let table: Vec<Vec<String>> = std::iter::once(columns).chain(experiences).collect();
        lines.push(screen::table(&table));
    }
    lines.extend(alarms(programme).map(|alarm| format!("alarm: {alarm}")));
    lines.join("\n")
}

/// The programme as a page that needs nothing else.
pub(super) fn page(programme: &Value) -> String {
    let alarms: String =
        alarms(programme).map(|alarm| format!("<p class=\"note\">{}</p>", coded(&alarm))).collect();
    let holdouts: String = list(programme, "holdouts").map(section).collect();
    let rows: String = list(programme, "experiences")
        .map(|experience| {
            let cells = one(experience);
            let (name, rest) =
                cells.split_first().map_or(("", &[][..]), |(name, rest)| (name.as_str(), rest));
            let rest: String =
                rest.iter().map(|cell| format!("<td>{}</td>", coded(cell))).collect();
            format!("<tr><th scope=\"row\">{}</th>{rest}</tr>", coded(name))
        })
        .collect();
    let body = format!(
        "<section class=\"verdict\"><h2>{}</h2></section>{alarms}{holdouts}\
         <section><h2>Experiences</h2><div class=\"wide\"><table><thead><tr><th></th><th></th><th>units</th><th>verdict</th>\
         <th>goal</th><th>best for everybody</th></tr></thead><tbody>{rows}</tbody></table></div></section>\
         <footer><p>Intervals hold however often somebody looks. As of {}.</p></footer>",
        coded(&capitalised(&counted(programme))),
        coded(text(programme, "as_of")),
    );
    report::frame("All experiences", "<h1>All experiences</h1>", &body)
}

fn section(holdout: &Value) -> String {
    let warned: String = warned(holdout)
        .map(|warning| format!("<p class=\"note\">{}</p>", coded(&capitalised(warning))))
        .collect();
    let told: String = list(holdout, "money")
        .map(|told| {
            format!(
                "<p>{}</p>{}",
                coded(&capitalised(&brought(told))),
                report::compared(&told["result"])
            )
        })
        .collect();
    format!("<section><h2>{}</h2>{warned}{told}</section>", coded(&capitalised(&held_by(holdout))))
}

/// How many experiences came to what.
fn counted(programme: &Value) -> String {
    let counts = ["won", "lost", "undecided", "collecting", "invalid"]
        .map(|name| format!("{} {name}", programme[name].as_u64().unwrap_or_default()));
    format!("experiences: {}", counts.join(", "))
}

/// Which holdout, how much it holds, and how many units that are.
fn held_by(holdout: &Value) -> String {
    let units = |name: &str| screen::thousands(holdout[name].as_u64().unwrap_or_default());
    format!(
        "held out by `{}` ({:.1} %): {} units, against {} that are not",
        holdout["name"].as_str().unwrap_or(text(holdout, "holdout")),
        100.0 * holdout["share"].as_f64().unwrap_or_default(),
        units("held_out_units"),
        units("units"),
    )
}

/// What is wrong with how a holdout divides units.
fn warned(holdout: &Value) -> impl Iterator<Item = &str> {
    let split = Some(&holdout["split"]).filter(|split| split["verdict"] == "mismatch");
    let several = Some(&holdout["several"]).filter(|several| several["is_alarm"] == true);
    split.into_iter().chain(several).map(|told| text(told, "statement"))
}

/// What everything has brought against a holdout, by one metric.
fn brought(told: &Value) -> String {
    let (metric, currency) = (text(told, "metric"), text(told, "currency"));
    let number = |name: &str| told["impact"][name].as_f64();
    match (number("value"), number("low"), number("high")) {
        (Some(value), Some(low), Some(high)) => format!(
            "all together have brought {} of `{metric}` ({} to {})",
            money(value, currency),
            money(low, currency),
            money(high, currency),
        ),
        _ => {
            format!("`{metric}`: {}", told["why_not"].as_str().unwrap_or("nothing can be said yet"))
        }
    }
}

/// An experience in a line: what it is judged, by what its goal differs most in the better direction, or with the
/// variant of the verdict, and what the best variant for everybody would have brought.
fn one(experience: &Value) -> Vec<String> {
    let goal = &experience["goal"];
    let variant = experience["verdict"]["variant"].as_str();
    let better = if text(goal, "direction") == "lower" { -1.0 } else { 1.0 };
    let lift = |arm: &Value| better * arm["comparison"]["absolute"]["lift"].as_f64().unwrap_or(0.0);
    let compared = list(goal, "arms").filter(|arm| {
        arm["comparison"].is_object() && variant.is_none_or(|variant| text(arm, "arm") == variant)
    });
    let told = compared.max_by(|one, other| lift(one).total_cmp(&lift(other))).and_then(|arm| {
        let (lift, _) = difference(goal, &arm["comparison"])?;
        Some(format!("`{}` {lift}", text(arm, "arm")))
    });
    let best = list(experience, "money").find_map(|told| {
        let forgone = told["best_variant_for_everybody"].as_f64()?;
        let money = money(forgone, text(told, "currency"));
        Some(format!("`{}` {money} of `{}`", text(told, "best_variant"), text(told, "metric")))
    });
    vec![
        text(experience, "experience").to_owned(),
        text(experience, "state").to_owned(),
        screen::thousands(experience["units"].as_u64().unwrap_or_default()),
        verdict(text(&experience["verdict"], "verdict")).to_owned(),
        told.unwrap_or_else(|| "–".to_owned()),
        best.unwrap_or_default(),
    ]
}

/// What somebody should look at, of all experiences.
fn alarms(programme: &Value) -> impl Iterator<Item = String> {
    list(programme, "experiences").flat_map(|experience| {
        let key = text(experience, "experience");
        list(experience, "alarms")
            .map(move |alarm| format!("`{key}`: {}", text(alarm, "statement")))
    })
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use serde_json::json;

    use super::*;

    fn example() -> Value {
        let goal = super::super::tests::example()["metrics"][0].clone();
        let result = json!({"metric": "revenue", "name": "Revenue", "kind": "sum", "currency": "EUR", "arms": [
            {"arm": "shared_holdout", "is_control": true, "units": 600, "value": 10.0, "comparison": null},
            {"arm": "programme", "is_control": false, "units": 12_000, "value": 12.0, "comparison": {
                "absolute": {"lift": 2.0, "std_error": 0.3, "low": 1.0, "high": 3.0}, "p_value": 0.00001,
                "relative": {"lift": 0.2, "std_error": 0.03, "low": 0.1, "high": 0.3}, "surely": "better"}},
        ]});
        json!({
            "as_of": "2026-11-22T12:00:00.000Z", "won": 1, "lost": 0, "undecided": 0, "collecting": 0, "invalid": 0,
            "holdouts": [{
                "holdout": "everything", "name": null, "share": 0.05, "units": 12_000, "held_out_units": 600,
                "split": {"verdict": "mismatch", "statement": "units are lost"}, "several": {"is_alarm": false},
                "money": [
                    {"metric": "revenue", "currency": "EUR", "why_not": null, "result": result,
                        "impact": {"value": 24_000.0, "low": 12_000.0, "high": 36_000.0}},
                ],
            }],
            "experiences": [{
                "experience": "welcome_back", "state": "live", "units": 24_000, "goal": goal,
                "verdict": {"verdict": "ship", "variant": "b"},
                "alarms": [{"alarm": "decay", "statement": "`b` does less than it did"}],
                "money": [{"metric": "revenue", "currency": "EUR", "best_variant": "b",
                    "best_variant_for_everybody": 1200.0}],
            }],
        })
    }

    #[test]
    fn all_experiences_are_told_in_a_text_and_on_a_page() {
        let lines = told(&example());
        let lines: Vec<&str> = lines.lines().map(str::trim_end).collect();
        expect![[r#"
            experiences: 1 won, 0 lost, 0 undecided, 0 collecting, 0 invalid
              as of 2026-11-22T12:00:00.000Z

            held out by `everything` (5.0 %): 600 units, against 12,000 that are not
              units are lost
              all together have brought +24,000 EUR of `revenue` (+12,000 EUR to +36,000 EUR)
                                          units   value      best  difference           interval                p
                shared_holdout (control)  600     10.00 EUR
                programme                 12,000  12.00 EUR        +2.00 EUR (+20.0 %)  +1.00 EUR to +3.00 EUR  < 0.0001

            experience          units   verdict  goal                     best for everybody
            welcome_back  live  24,000  ship it  `b` +10.00 pp (+10.0 %)  `b` +1,200 EUR of `revenue`
            alarm: `welcome_back`: `b` does less than it did"#]].assert_eq(&lines.join("\n"));
        let page = page(&example());
        for said in ["have brought +24,000 EUR", "<svg", "does less than it did", "Units are lost"]
        {
            assert!(page.contains(said), "{said}: {page}");
        }
        for foreign in ["http:", "https:", "<script", "@import", "url("] {
            assert!(!page.contains(foreign), "{foreign}");
        }
    }
}
