//! `concierge query`: SQL over the lake, printed as a table or written as CSV, JSON or Arrow.

use std::{
    io::{self, Read, Write},
    path::PathBuf,
};

use anyhow::Context as _;
use clap::ValueEnum;
use serde_json::{Value, json};

use crate::{
    cli::ClientFlags,
    client::{Auth, Call, Client},
    failure::{Failure, Outcome},
    screen::{self, thousands},
    settings::Settings,
    target::Target,
    whole,
};

const EXAMPLES: &str = "\
Examples:
  concierge query --purpose analytics \"select name, count(*) as n from events group by name order by n desc\"
  concierge query --purpose analytics --format csv - < report.sql > report.csv
  concierge query --purpose analytics --format arrow --to decisions.arrow \"select * from decisions\"
  concierge query --purpose analytics \"show tables\"

Rows that may not be used for the purpose are not there. A query reads and changes nothing; time, memory and the length of \
the answer are bounded. It needs a token with the scope `export`. docs/reference/lake.md has the tables and their columns.";

/// Longest answer that is laid out as a table, in bytes.
const TABLE_BYTES_MAX: u64 = 64 << 20;
/// Longest value in a cell of a table, in characters.
const CELL_CHARACTERS_MAX: usize = 60;

/// Arguments of `concierge query`.
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct QueryArgs {
    #[command(flatten)]
    pub(crate) flags: ClientFlags,
    /// One statement that reads; `-` reads it from standard input
    #[arg(value_name = "SQL")]
    sql: String,
    /// What the answer will be used for: a purpose's key
    #[arg(long, value_name = "KEY")]
    purpose: String,
    /// How the answer is written
    #[arg(long, value_enum, default_value_t = Form::Table)]
    format: Form,
    /// Write to this file; to the screen otherwise
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Form {
    /// Columns that line up
    Table,
    /// An object with `columns` and `items`
    Json,
    /// Comma-separated values with a line of names
    Csv,
    /// The Arrow IPC streaming format
    Arrow,
}

/// Asks.
pub(crate) fn run(settings: &Settings, args: &QueryArgs) -> Outcome {
    if args.format == Form::Arrow && args.to.is_none() {
        return Err(Failure::usage("Arrow needs a file: give --to"));
    }
    let sql = match args.sql.as_str() {
        "-" => io::read_to_string(io::stdin()).context("reading the query from standard input")?,
        sql => sql.to_owned(),
    };
    let target = Target::open(settings, &args.flags)?;
    let answered = answer(target.client(), &sql, args);
    target.close()?;
    Ok(answered?)
}

fn answer(client: &Client, sql: &str, args: &QueryArgs) -> anyhow::Result<()> {
    let format = match args.format {
        Form::Table | Form::Json => "json",
        Form::Csv => "csv",
        Form::Arrow => "arrow",
    };
    let body = json!({"sql": sql, "purpose": args.purpose, "format": format});
    let body = serde_json::to_vec(&body).context("writing JSON")?;
    let (path, auth) = ("/api/v1/query", Auth::Token);
    let call = Call { method: "POST", path, auth, body: Some(&body) };
    let mut source = client.stream(&call)?;
    match (&args.to, args.format) {
        (Some(to), Form::Table) => {
            let text = laid_out(source)?;
            whole::write(to, |file| copy(&mut text.as_bytes(), file))
        }
        (Some(to), _) => whole::write(to, |file| copy(&mut *source, file)),
        (None, Form::Table) => {
            screen::say(laid_out(source)?);
            Ok(())
        }
        (None, _) => copy(&mut *source, &mut io::stdout().lock()),
    }
}

fn copy(source: &mut dyn Read, to: &mut dyn Write) -> anyhow::Result<()> {
    io::copy(source, to).context("the answer broke off; what came of it is not the whole")?;
    Ok(())
}

/// The rows of a JSON answer in columns that line up.
fn laid_out(source: Box<dyn Read>) -> anyhow::Result<String> {
    let mut text = String::new();
    let read = source.take(TABLE_BYTES_MAX).read_to_string(&mut text);
    read.context("the answer broke off; ask for less, or for CSV")?;
    let answer: Value = serde_json::from_str(&text)
        .context("the answer is too long for a table, or broke off; ask for less, or for CSV")?;
    let list = |name: &str| answer[name].as_array().cloned().unwrap_or_default();
    let columns: Vec<String> =
        list("columns").iter().filter_map(|c| c["name"].as_str().map(str::to_owned)).collect();
    let items = list("items");
    let mut rows = vec![columns.clone()];
    rows.extend(items.iter().map(|item| columns.iter().map(|name| cell(&item[name])).collect()));
    let count = u64::try_from(items.len()).unwrap_or(u64::MAX);
    Ok(format!("{}\n({} rows)", screen::table(&rows), thousands(count)))
}

fn cell(value: &Value) -> String {
    let text = match value {
        Value::Null => String::new(),
        Value::String(text) => text.replace(['\n', '\r', '\t'], " "),
        other => other.to_string(),
    };
    if text.chars().count() <= CELL_CHARACTERS_MAX {
        return text;
    }
    let short: String = text.chars().take(CELL_CHARACTERS_MAX - 1).collect();
    format!("{short}…")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_line_up_under_their_names() {
        let answer = json!({
            "columns": [{"name": "name", "type": "Utf8"}, {"name": "n", "type": "Int64"}],
            "items": [{"name": "Order Completed", "n": 12}, {"n": 3}],
        });
        let text = laid_out(Box::new(io::Cursor::new(answer.to_string()))).unwrap();
        assert_eq!(text, "name             n\nOrder Completed  12\n                 3\n(2 rows)");
        assert!(laid_out(Box::new(io::Cursor::new("{\"columns\":["))).is_err());
    }
}
