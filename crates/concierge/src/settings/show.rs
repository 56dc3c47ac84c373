//! `concierge config`: the effective settings and where each came from.

use super::{SPECS, Settings};
use crate::{failure::Outcome, screen};

/// Arguments of `concierge config`.
#[derive(clap::Args, Debug)]
pub(crate) struct ConfigArgs {
    #[command(flatten)]
    pub(crate) flags: crate::cli::AllFlags,
    /// Print JSON instead of a table
    #[arg(long)]
    json: bool,
}

/// Prints every setting; secrets only as set or not set.
pub(crate) fn run(settings: &Settings, args: &ConfigArgs) -> Outcome {
    if args.json {
        screen::say(format!("{:#}", as_json(settings)));
        return Ok(());
    }
    let mut rows = vec![["SETTING", "VALUE", "FROM"].map(str::to_owned).to_vec()];
    for spec in &SPECS {
        let row = match settings.get(spec.name) {
            None => vec![spec.key.to_owned(), "not set".to_owned(), String::new()],
            Some(setting) => {
                let shown = if spec.secret { "set, not shown" } else { &setting.text };
                vec![spec.key.to_owned(), shown.to_owned(), setting.source.to_string()]
            }
        };
        rows.push(row);
    }
    screen::say(screen::table(&rows));
    Ok(())
}

fn as_json(settings: &Settings) -> serde_json::Value {
    let entry = |spec: &super::Spec| {
        let setting = settings.get(spec.name);
        let value = match setting {
            Some(_) if spec.secret => serde_json::Value::Null,
            Some(setting) => setting.text.clone().into(),
            None => serde_json::Value::Null,
        };
        let source = setting.map(|setting| setting.source.to_string());
        let described =
            serde_json::json!({"value": value, "set": setting.is_some(), "from": source});
        (spec.key.to_owned(), described)
    };
    SPECS.iter().map(entry).collect::<serde_json::Map<_, _>>().into()
}
