//! Exporting a table: from the server's lines to a file of the format that was asked for.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    path::PathBuf,
};

use anyhow::{Context as _, bail, ensure};
use lake::{Format, Table};
use model::{Key, Timestamp};
use serde_json::{Map, Value};

use crate::{
    client::{Call, Client, encode},
    failure::Failure,
    screen::{self, thousands},
    whole,
};

/// Longest line that is read: the largest profile has 500 traits of 2 KiB and 1,000 identifiers of 512 bytes.
const LINE_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// What every table takes.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct RowsArgs {
    /// What the rows will be used for: the key of a purpose that people grant
    #[arg(long, value_name = "PURPOSE")]
    purpose: String,
    /// How the file is written
    #[arg(long, value_enum, default_value = "jsonl")]
    format: FormatName,
    /// The file, which appears when it is whole; standard output when left out
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
}

#[derive(clap::Args, Clone, Debug)]
pub(crate) struct TimedArgs {
    #[command(flatten)]
    rows: RowsArgs,
    /// Only what happened at this instant or later
    #[arg(long, value_name = "INSTANT")]
    since: Option<Timestamp>,
    /// Only what happened before this instant
    #[arg(long, value_name = "INSTANT")]
    until: Option<Timestamp>,
}

#[derive(clap::Args, Clone, Debug)]
pub(crate) struct MembershipsArgs {
    #[command(flatten)]
    rows: RowsArgs,
    /// Only the members of this audience
    #[arg(long, value_name = "KEY")]
    audience: Option<Key>,
}

#[derive(clap::ValueEnum, Clone, Copy, Debug)]
enum FormatName {
    Jsonl,
    Csv,
    Parquet,
}

impl FormatName {
    fn format(self) -> Format {
        match self {
            Self::Jsonl => Format::Jsonl,
            Self::Csv => Format::Csv,
            Self::Parquet => Format::Parquet,
        }
    }
}

impl TimedArgs {
    pub(super) fn of(&self, table: &'static Table) -> Export {
        let at = |time: &Option<Timestamp>| time.map(|time| time.to_string());
        Export::of(table, &self.rows).with("since", at(&self.since)).with("until", at(&self.until))
    }
}

impl MembershipsArgs {
    pub(super) fn of(&self, table: &'static Table) -> Export {
        let audience = self.audience.as_ref().map(Key::to_string);
        Export::of(table, &self.rows).with("audience", audience)
    }
}

/// An export to be made.
#[derive(Debug)]
pub(super) struct Export {
    table: &'static Table,
    path: String,
    purpose: String,
    format: Format,
    to: Option<PathBuf>,
}

/// Where an export goes.
pub(super) enum Destination {
    Screen,
    /// Written beside its place and renamed when it is whole.
    File(PathBuf),
}

impl Export {
    pub(super) fn of(table: &'static Table, args: &RowsArgs) -> Self {
        let RowsArgs { purpose, format, to } = args.clone();
        let path = format!("/api/v1/export/{}?purpose={}", table.name, encode(&purpose));
        Self { table, path, purpose, format: format.format(), to }
    }

    fn with(mut self, name: &str, value: Option<String>) -> Self {
        if let Some(value) = value {
            self.path.push_str(&format!("&{name}={}", encode(&value)));
        }
        self
    }

    /// Where it goes. Parquet is no text, so it goes to no screen.
    pub(super) fn destination(&self) -> Result<Destination, Failure> {
        match (&self.to, self.format) {
            (Some(path), _) => Ok(Destination::File(path.clone())),
            (None, Format::Parquet) => Err(Failure::usage("Parquet needs a file: give --to")),
            (None, _) => Ok(Destination::Screen),
        }
    }

    pub(super) fn write(&self, client: &Client, destination: Destination) -> anyhow::Result<()> {
        let mut lines = BufReader::new(client.stream(&Call::get(&self.path))?);
        let summary = match destination {
            Destination::Screen => self.copy(&mut lines, Box::new(io::stdout()))?,
            Destination::File(path) => {
                whole::write(&path, |file| self.copy(&mut lines, Box::new(file)))?
            }
        };
        self.tell(&summary);
        Ok(())
    }

    /// Copies the rows, and answers with the summary that the server ends with.
    fn copy<'a>(
        &self,
        lines: &mut dyn BufRead,
        file: Box<dyn Write + Send + 'a>,
    ) -> anyhow::Result<Map<String, Value>> {
        let mut writer = lake::writer(self.format, self.table, file)?;
        loop {
            let mut row = read_line(lines)?;
            match row.remove("summary") {
                Some(Value::Object(summary)) if row.is_empty() => {
                    writer.finish()?;
                    return Ok(summary);
                }
                _ => writer.write(&row)?,
            }
        }
    }

    fn tell(&self, summary: &Map<String, Value>) {
        let count = |name: &str| summary.get(name).and_then(Value::as_u64).unwrap_or(0);
        let (table, purpose) = (self.table.name, &self.purpose);
        let mut told = format!("{table} for {purpose}: {} rows", thousands(count("rows")));
        let left_out = [
            ("people_withheld", "people who do not grant it"),
            ("events_withheld", "events collected without it"),
            ("traits_withheld", "traits collected without it"),
            ("traits_masked", "sensitive traits that the token may not see"),
            ("audiences_withheld", "audiences of other purposes"),
            ("people_unreadable", "people whose rows cannot be read"),
        ];
        let left_out = left_out.into_iter().filter(|(name, _)| count(name) > 0);
        let left_out: Vec<String> =
            left_out.map(|(name, what)| format!("{} {what}", thousands(count(name)))).collect();
        if !left_out.is_empty() {
            told.push_str(&format!("; left out: {}", left_out.join(", ")));
        }
        screen::note(told);
    }
}

fn read_line(lines: &mut dyn BufRead) -> anyhow::Result<Map<String, Value>> {
    let mut line = Vec::new();
    lines.take(LINE_BYTES_MAX).read_until(b'\n', &mut line).context("reading the export")?;
    ensure!(!line.is_empty(), "the server's answer broke off; run the command again");
    match serde_json::from_slice(&line) {
        Ok(Value::Object(row)) => Ok(row),
        _ => bail!("the server's answer is not the lines of an export; run the command again"),
    }
}

/// A file that only its owner reads: what is in it is personal.
#[cfg(test)]
mod tests {
    use super::*;

    fn copied(lines: &str) -> Result<String, String> {
        let args = RowsArgs { purpose: "analytics".into(), format: FormatName::Csv, to: None };
        let export = Export::of(&lake::table::CONSENTS, &args);
        let mut file = Vec::new();
        let copied = export.copy(&mut lines.as_bytes(), Box::new(&mut file));
        let summary = copied.map_err(|error| format!("{error:#}"))?;
        assert_eq!(summary["rows"], 1);
        Ok(String::from_utf8(file).unwrap())
    }

    #[test]
    fn an_export_is_whole_only_with_its_summary() {
        let row = "{\"profile\":\"p\",\"purpose\":\"analytics\",\"granted\":true}\n";
        let end = "{\"summary\":{\"rows\":1}}\n";
        let expected = "profile,purpose,said,said_at,granted\np,analytics,,,true\n";
        assert_eq!(copied(&format!("{row}{end}")).unwrap(), expected);
        assert!(copied(row).unwrap_err().contains("broke off"));
        assert!(copied(&row[..20]).unwrap_err().contains("not the lines"));
        assert!(copied(&row.replace("granted", "given")).unwrap_err().contains("`granted`"));
    }
}
