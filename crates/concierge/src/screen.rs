//! What the person at the terminal sees: answers on standard output, everything else on standard error.
//!
//! A closed pipe (`concierge … | head`) is no failure, so errors of writing are dropped here, once.

use std::{borrow::Cow, io::Write as _};

/// Writes lines of the answer.
pub(crate) fn say(lines: impl std::fmt::Display) {
    drop(writeln!(std::io::stdout().lock(), "{}", plain(&lines.to_string(), is_sign)));
}

/// Writes lines about the work, which scripts that read the answer do not want.
pub(crate) fn note(lines: impl std::fmt::Display) {
    drop(writeln!(std::io::stderr().lock(), "{}", plain(&lines.to_string(), is_sign)));
}

/// What moves the cursor, colours or turns a terminal's text: visitors may have written it.
fn is_sign(sign: char) -> bool {
    let turns = matches!(sign, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    turns || sign.is_control() && !matches!(sign, '\n' | '\t')
}

/// A text in which some signs are written out.
fn plain(text: &str, is_written_out: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.contains(&is_written_out) {
        return Cow::Borrowed(text);
    }
    let told = text.chars().map(|sign| match is_written_out(sign) {
        true => sign.escape_default().to_string(),
        false => sign.to_string(),
    });
    Cow::Owned(told.collect())
}

/// Lays out rows in columns that line up; the last column is as long as it is. A row stays a line, whatever is in it.
pub(crate) fn table(rows: &[Vec<String>]) -> String {
    let ends_line = |sign| matches!(sign, '\n' | '\t');
    let line =
        |row: &Vec<String>| row.iter().map(|cell| plain(cell, ends_line).into_owned()).collect();
    let rows: &[Vec<String>] = &rows.iter().map(line).collect::<Vec<_>>();
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max()
    };
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    let mut lines = Vec::new();
    for row in rows {
        let cells: Vec<String> =
            row.iter().zip(&widths).map(|(cell, &width)| format!("{cell:<width$}")).collect();
        lines.push(cells.join("  ").trim_end().to_owned());
    }
    lines.join("\n")
}

/// A count with its thousands set apart: `541,909`.
pub(crate) fn thousands(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_line_up() {
        let row = |cells: [&str; 2]| cells.map(str::to_owned).to_vec();
        assert_eq!(table(&[row(["a", "b"]), row(["long", "c"])]), "a     b\nlong  c");
    }

    #[test]
    fn what_others_wrote_moves_no_cursor_and_ends_no_line() {
        assert_eq!(plain("Ünö,\n\t2 €", is_sign), "Ünö,\n\t2 €");
        assert_eq!(plain("a\u{1b}[31mb\u{202e}\r", is_sign), "a\\u{1b}[31mb\\u{202e}\\r");
        assert_eq!(table(&[vec!["x\ny".to_owned(), "z".to_owned()]]), "x\\ny  z");
    }

    #[test]
    fn thousands_are_set_apart() {
        assert_eq!(thousands(7), "7");
        assert_eq!(thousands(541_909), "541,909");
        assert_eq!(thousands(1_000_000), "1,000,000");
    }
}
