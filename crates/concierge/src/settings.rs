//! The settings of a run: what they are, where each value came from, and which source wins.
//!
//! Precedence: flag, then environment, then file, then default. `concierge config` prints the result.

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::Context as _;
use engine::enrich::Enricher;

use crate::{failure::Failure, weather::OpenMeteo};

mod file;
mod show;

pub(crate) use show::{ConfigArgs, run as show};

/// One thing that can be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Name {
    Data,
    Listen,
    CacheMb,
    Proxies,
    PublicUrl,
    Places,
    Weather,
    Lake,
    LakeDir,
    Log,
    Server,
    Token,
    WriteKey,
}

/// How a setting is written and what it is when nobody sets it.
#[derive(Debug)]
pub(crate) struct Spec {
    /// Which setting.
    pub(crate) name: Name,
    /// Its name in the file; with `-` for `_` it is the flag, and with `CONCIERGE_` before it the variable.
    pub(crate) key: &'static str,
    /// Its value when nobody sets it.
    pub(crate) default: Option<&'static str>,
    /// Printed only as "set".
    pub(crate) secret: bool,
}

/// Every setting.
pub(crate) const SPECS: [Spec; 13] = [
    Spec { name: Name::Data, key: "data", default: Some("concierge-data"), secret: false },
    Spec { name: Name::Listen, key: "listen", default: Some("127.0.0.1:8080"), secret: false },
    Spec { name: Name::CacheMb, key: "cache_mb", default: Some("128"), secret: false },
    Spec { name: Name::Proxies, key: "proxies", default: Some("0"), secret: false },
    Spec { name: Name::PublicUrl, key: "public_url", default: None, secret: false },
    Spec { name: Name::Places, key: "places", default: None, secret: false },
    // An address may carry the key of an account.
    Spec { name: Name::Weather, key: "weather", default: None, secret: true },
    Spec { name: Name::Lake, key: "lake", default: Some("on"), secret: false },
    Spec { name: Name::LakeDir, key: "lake_dir", default: None, secret: false },
    Spec { name: Name::Log, key: "log", default: Some("info"), secret: false },
    Spec {
        name: Name::Server,
        key: "server",
        default: Some("http://127.0.0.1:8080"),
        secret: false,
    },
    Spec { name: Name::Token, key: "token", default: None, secret: true },
    Spec { name: Name::WriteKey, key: "write_key", default: None, secret: true },
];

impl Spec {
    /// The environment variable that sets it.
    pub(crate) fn variable(&self) -> String {
        format!("CONCIERGE_{}", self.key.to_uppercase())
    }

    /// The flag that sets it.
    pub(crate) fn flag(&self) -> String {
        format!("--{}", self.key.replace('_', "-"))
    }
}

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Flag(String),
    Environment(String),
    File(PathBuf),
    Default,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(flag) => write!(f, "flag {flag}"),
            Self::Environment(variable) => write!(f, "environment {variable}"),
            Self::File(path) => write!(f, "file {}", path.display()),
            Self::Default => f.write_str("default"),
        }
    }
}

/// A value as text, and where it came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Setting {
    pub(crate) text: String,
    pub(crate) source: Source,
}

/// What the command line set, as text.
pub(crate) type Flags = Vec<(Name, Option<String>)>;

/// The effective settings of a run.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    values: BTreeMap<Name, Setting>,
}

impl Settings {
    /// Reads the file and the environment, and lays the flags over them.
    pub(crate) fn load(flags: &Flags, config: Option<PathBuf>) -> Result<Self, Failure> {
        let environment = |variable: &str| std::env::var(variable).ok().filter(|v| !v.is_empty());
        let chosen = config.or_else(|| environment("CONCIERGE_CONFIG").map(PathBuf::from));
        let file = file::read(chosen)?;
        Ok(Self::resolve(flags, &environment, file.as_ref()))
    }

    fn resolve(
        flags: &Flags,
        environment: &dyn Fn(&str) -> Option<String>,
        file: Option<&file::File>,
    ) -> Self {
        let mut values = BTreeMap::new();
        for spec in &SPECS {
            let flag = flags.iter().find(|(name, _)| *name == spec.name);
            let from_flag = flag.and_then(|(_, text)| text.clone());
            let setting = if let Some(text) = from_flag {
                Setting { text, source: Source::Flag(spec.flag()) }
            } else if let Some(text) = environment(&spec.variable()) {
                Setting { text, source: Source::Environment(spec.variable()) }
            } else if let Some((file, text)) = file.and_then(|f| Some((f, f.values.get(spec.key)?)))
            {
                Setting { text: text.clone(), source: Source::File(file.path.clone()) }
            } else if let Some(text) = spec.default {
                Setting { text: text.to_owned(), source: Source::Default }
            } else {
                continue;
            };
            values.insert(spec.name, setting);
        }
        Self { values }
    }

    /// The value of a setting with its source; `None` when nobody set it and it has no default.
    pub(crate) fn get(&self, name: Name) -> Option<&Setting> {
        self.values.get(&name)
    }

    /// These settings with another default for one of them.
    pub(crate) fn with_default(&self, name: Name, text: &str) -> Self {
        let mut values = self.values.clone();
        let default = Setting { text: text.to_owned(), source: Source::Default };
        let entry = values.entry(name).or_insert_with(|| default.clone());
        if entry.source == Source::Default {
            *entry = default;
        }
        Self { values }
    }

    /// The value of a setting as text.
    pub(crate) fn text(&self, name: Name) -> Option<&str> {
        self.get(name).map(|setting| setting.text.as_str())
    }

    /// The data directory.
    pub(crate) fn data(&self) -> PathBuf {
        PathBuf::from(self.text(Name::Data).unwrap_or_default())
    }

    /// The address to listen on, as `HOST:PORT`.
    pub(crate) fn listen(&self) -> Result<String, Failure> {
        let text = self.text(Name::Listen).unwrap_or_default();
        let port = text.rsplit_once(':').map(|(host, port)| (host, port.parse::<u16>()));
        match port {
            Some((host, Ok(_))) if !host.is_empty() => Ok(text.to_owned()),
            _ => Err(self.wrong(Name::Listen, "an address: write HOST:PORT, as in 127.0.0.1:8080")),
        }
    }

    /// The cap of the profile cache, in bytes.
    pub(crate) fn cache_bytes(&self) -> Result<usize, Failure> {
        let text = self.text(Name::CacheMb).unwrap_or_default();
        let wrong = || self.wrong(Name::CacheMb, "a whole number of mebibytes from 1 to 1000000");
        let mebibytes: usize = text.parse().map_err(|_| wrong())?;
        if (1..=1_000_000).contains(&mebibytes) { Ok(mebibytes << 20) } else { Err(wrong()) }
    }

    /// Where the files of the lake are; `None` when none is kept.
    pub(crate) fn lake(&self) -> Result<Option<PathBuf>, Failure> {
        match self.text(Name::Lake) {
            Some("off") => Ok(None),
            Some("on") => {
                let given = self.text(Name::LakeDir).map(PathBuf::from);
                Ok(Some(given.unwrap_or_else(|| self.data().join("lake"))))
            }
            _ => Err(self.wrong(Name::Lake, "`on` or `off`")),
        }
    }

    /// How many trusted proxies stand in front.
    pub(crate) fn proxies(&self) -> Result<usize, Failure> {
        let wanted = "how many trusted proxies stand in front: write a whole number";
        let count = self.text(Name::Proxies).unwrap_or_default().parse();
        count.map_err(|_| self.wrong(Name::Proxies, wanted))
    }

    /// How to serve: what stands between the server and its callers.
    pub(crate) fn server_options(&self) -> Result<server::Options, Failure> {
        let proxies = self.proxies()?;
        let public_url = self.text(Name::PublicUrl).map(str::to_owned);
        if public_url.as_ref().is_some_and(|url| !url.starts_with("http")) {
            return Err(self.wrong(Name::PublicUrl, "an address: write https://HOST"));
        }
        let enricher = Arc::new(self.enricher()?);
        Ok(server::Options { proxies, public_url, enricher, ..server::Options::default() })
    }

    /// What completes the contexts of events and requests.
    fn enricher(&self) -> Result<Enricher, Failure> {
        let places = self.text(Name::Places).map(Path::new);
        let enricher = Enricher::open(places).context("reading the setting `places`")?;
        let Some(address) = self.text(Name::Weather) else { return Ok(enricher) };
        let Some(service) = OpenMeteo::at(address) else {
            let source = self.get(Name::Weather).map(|setting| setting.source.to_string());
            let source = source.unwrap_or_default();
            return Err(Failure::usage(format!(
                "the setting `weather` ({source}) is not the address of a service: write https://HOST/PATH"
            )));
        };
        Ok(enricher.with_weather(Arc::new(service)).context("starting to ask for weather")?)
    }

    /// The address of the server that client commands speak to, without a closing slash.
    pub(crate) fn server(&self) -> Result<String, Failure> {
        let text = self.text(Name::Server).unwrap_or_default().trim_end_matches('/');
        if text.starts_with("https://") {
            return Err(Failure::usage(
                "this program speaks plain http only: run it beside the server, or through a tunnel, \
                 and write --server http://HOST:PORT",
            ));
        }
        if text.strip_prefix("http://").is_none_or(str::is_empty) {
            return Err(self.wrong(Name::Server, "a server: write http://HOST:PORT"));
        }
        Ok(text.to_owned())
    }

    fn wrong(&self, name: Name, wanted: &str) -> Failure {
        match self.get(name) {
            Some(Setting { text, source }) => {
                Failure::usage(format!("`{text}` ({source}) is not {wanted}"))
            }
            None => Failure::usage(format!("{name:?} is not {wanted}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> file::File {
        file::parse(PathBuf::from("c.toml"), text).unwrap()
    }

    #[test]
    fn flag_beats_environment_beats_file_beats_default() {
        let file = file("listen = \"0.0.0.0:1\"\ncache_mb = 7\nlog = \"warn\"");
        let environment =
            |variable: &str| (variable == "CONCIERGE_CACHE_MB").then(|| "9".to_owned());
        let flags = vec![(Name::Log, Some("debug".to_owned())), (Name::Listen, None)];
        let settings = Settings::resolve(&flags, &environment, Some(&file));
        let shown = |name| settings.get(name).map(|s| format!("{} from {}", s.text, s.source));
        assert_eq!(shown(Name::Log).unwrap(), "debug from flag --log");
        assert_eq!(shown(Name::CacheMb).unwrap(), "9 from environment CONCIERGE_CACHE_MB");
        assert_eq!(shown(Name::Listen).unwrap(), "0.0.0.0:1 from file c.toml");
        assert_eq!(shown(Name::Server).unwrap(), "http://127.0.0.1:8080 from default");
        assert_eq!(shown(Name::Token), None);
        assert_eq!(settings.cache_bytes().unwrap(), 9 << 20);
    }

    #[test]
    fn wrong_values_name_their_source() {
        let flags = vec![
            (Name::Listen, Some("8080".to_owned())),
            (Name::Server, Some("https://x".to_owned())),
            (Name::CacheMb, Some("0".to_owned())),
        ];
        let settings = Settings::resolve(&flags, &|_| None, None);
        assert!(settings.listen().unwrap_err().message().starts_with("`8080` (flag --listen)"));
        assert!(settings.server().unwrap_err().message().contains("plain http"));
        assert!(settings.cache_bytes().is_err());
    }
}
