//! The settings file: TOML, one key for each setting, nothing else.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use super::SPECS;
use crate::failure::Failure;

/// Read when it is there and no other file is named.
const CUSTOMARY: &str = "concierge.toml";

/// A settings file as read.
#[derive(Debug)]
pub(super) struct File {
    pub(super) path: PathBuf,
    pub(super) values: BTreeMap<String, String>,
}

/// Reads the chosen file, which must be there, or the customary one, which may be absent.
pub(super) fn read(chosen: Option<PathBuf>) -> Result<Option<File>, Failure> {
    let named = chosen.is_some();
    let path = chosen.unwrap_or_else(|| Path::new(CUSTOMARY).to_owned());
    match std::fs::read_to_string(&path) {
        Ok(text) => parse(path, &text).map(Some),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && !named => Ok(None),
        Err(error) => {
            Err(Failure::usage(format!("cannot read settings from {}: {error}", path.display())))
        }
    }
}

/// Parses a settings file; unknown keys are refused, since a misspelt key would silently be a default.
pub(super) fn parse(path: PathBuf, text: &str) -> Result<File, Failure> {
    let place = path.display().to_string();
    let table: toml::Table =
        text.parse().map_err(|error| Failure::usage(format!("{place}: {error}")))?;
    let mut values = BTreeMap::new();
    for (key, value) in table {
        if !SPECS.iter().any(|spec| spec.key == key) {
            let known: Vec<&str> = SPECS.iter().map(|spec| spec.key).collect();
            let known = known.join(", ");
            return Err(Failure::usage(format!(
                "{place}: there is no setting `{key}`; the settings are {known}"
            )));
        }
        let text = match value {
            toml::Value::String(text) => text,
            toml::Value::Integer(number) => number.to_string(),
            _ => {
                return Err(Failure::usage(format!(
                    "{place}: `{key}` is neither text nor a number"
                )));
            }
        };
        values.insert(key, text);
    }
    Ok(File { path, values })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misspelt_keys_are_refused() {
        let failure = parse(PathBuf::from("c.toml"), "lisen = \"x\"").unwrap_err();
        assert!(failure.message().contains("no setting `lisen`"), "{}", failure.message());
        assert!(parse(PathBuf::from("c.toml"), "listen = [1]").is_err());
        assert!(parse(PathBuf::from("c.toml"), "listen = ").is_err());
    }
}
