//! Parts of a table by column: some columns of some of its rows, as computations over many rows read them.

use std::{fmt, ops::Range};

use super::{Cell, Kind, Row, Table};
use crate::{ProfileId, StrandId};

/// The columns whose texts are ids of profiles or strands, and what files call the same as numbers.
const IDS: [(&str, &str); 2] = [("strand", "strand_number"), ("profile", "profile_number")];

/// Whether rows with a text are wanted.
pub type IsWanted<'a> = &'a dyn Fn(&str) -> bool;

/// Which rows of a table are wanted, and what of them.
#[derive(Clone)]
pub struct Wanted<'a> {
    /// Names of columns, in the order of the answer.
    pub columns: &'a [&'static str],
    /// The lanes whose rows are wanted.
    pub lanes: Range<u16>,
    /// A column of text, and of which of its values rows are wanted; all rows, when absent.
    pub only: Option<(&'static str, IsWanted<'a>)>,
}

impl fmt::Debug for Wanted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wanted")
            .field("columns", &self.columns)
            .field("lanes", &self.lanes)
            .field("only", &self.only.map(|(column, _)| column))
            .finish()
    }
}

/// Rows that follow each other, column by column.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Part {
    /// How many rows.
    pub rows: usize,
    /// The values of each column, as many as there are rows.
    pub columns: Vec<Values>,
}

impl Part {
    /// What is wanted of rows of a table.
    pub fn of(table: &Table, wanted: &Wanted<'_>, rows: &[Row]) -> Self {
        let place = |name: &str| table.columns.iter().position(|column| column.name == name);
        let lane = place("lane");
        let only = wanted.only.map(|(name, is_wanted)| (place(name), is_wanted));
        let is_wanted = |row: &&Row| {
            let cell = |place: Option<usize>| row.get(place?);
            let is_in = match cell(lane) {
                Some(Cell::Integer(lane)) => {
                    u16::try_from(*lane).is_ok_and(|lane| wanted.lanes.contains(&lane))
                }
                _ => false,
            };
            let is_meant = only.is_none_or(|(place, is_meant)| match cell(place) {
                Some(Cell::Text(text)) => is_meant(text),
                _ => false,
            });
            is_in && is_meant
        };
        let rows: Vec<&Row> = rows.iter().filter(is_wanted).collect();
        let column = |name: &&'static str| {
            let place = place(name);
            let kind = place.and_then(|place| table.columns.get(place)).map(|column| column.kind);
            let cells = rows.iter().map(|row| row.get(place?));
            if Values::numbers_of(name).is_some() {
                let id = |cell: Option<&Cell<'_>>| match cell? {
                    Cell::Text(text) => text.parse().ok(),
                    _ => None,
                };
                return Values::Ids(cells.map(id).collect());
            }
            Values::of(kind.unwrap_or(Kind::Text), cells)
        };
        Self { rows: rows.len(), columns: wanted.columns.iter().map(column).collect() }
    }
}

/// The values of one column.
#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    /// Of integers, and of instants in milliseconds since 1970.
    Integers(Vec<Option<i64>>),
    /// Of numbers.
    Numbers(Vec<Option<f64>>),
    /// Of truths.
    Booleans(Vec<Option<bool>>),
    /// Of text and JSON.
    Texts(Texts),
    /// Of ids of profiles and strands, which are written alike; none where one does not read.
    Ids(Vec<Option<ProfileId>>),
}

/// Texts of which many are the same.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Texts {
    /// All words, one behind the other.
    bytes: String,
    /// Where each word ends.
    ends: Vec<usize>,
    /// Which word each row has.
    rows: Vec<Option<usize>>,
}

impl Texts {
    /// Adds a word and returns its number.
    pub fn word(&mut self, text: &str) -> usize {
        self.bytes.push_str(text);
        self.ends.push(self.bytes.len());
        self.ends.len() - 1
    }

    /// Adds a row with the word of this number, or without one.
    pub fn push(&mut self, word: Option<usize>) {
        self.rows.push(word);
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The number of a row's word: rows with one number have one text. Rows with different ones may have one as well.
    pub fn number(&self, row: usize) -> Option<usize> {
        self.rows.get(row).copied().flatten()
    }

    /// The text of a row.
    pub fn get(&self, row: usize) -> Option<&str> {
        let word = self.number(row)?;
        let start = word.checked_sub(1).map_or(Some(0), |before| self.ends.get(before).copied())?;
        self.bytes.get(start..*self.ends.get(word)?)
    }
}

impl Values {
    /// The values of cells of a column of this kind.
    fn of<'a>(kind: Kind, cells: impl Iterator<Item = Option<&'a Cell<'a>>>) -> Self {
        match kind {
            Kind::Integer | Kind::Time => Self::Integers(
                cells
                    .map(|cell| match cell? {
                        Cell::Integer(number) => Some(*number),
                        Cell::Time(time) => Some(time.0),
                        _ => None,
                    })
                    .collect(),
            ),
            Kind::Number => {
                let number = |cell: Option<&Cell<'_>>| match cell? {
                    Cell::Number(number) => Some(*number),
                    _ => None,
                };
                Self::Numbers(cells.map(number).collect())
            }
            Kind::Boolean => {
                let truth = |cell: Option<&Cell<'_>>| match cell? {
                    Cell::Boolean(truth) => Some(*truth),
                    _ => None,
                };
                Self::Booleans(cells.map(truth).collect())
            }
            Kind::Text | Kind::Json => {
                let mut texts = Texts::default();
                for cell in cells {
                    let word = match cell {
                        Some(Cell::Text(text)) => Some(texts.word(text)),
                        _ => None,
                    };
                    texts.push(word);
                }
                Self::Texts(texts)
            }
        }
    }

    /// What files call the numbers of ids ([`StrandId::number`]) of a column whose texts are ids of profiles or
    /// strands; `None` for other columns.
    pub fn numbers_of(column: &str) -> Option<&'static str> {
        IDS.iter().find(|(ids, _)| *ids == column).map(|(_, numbers)| *numbers)
    }

    /// The strand of a row of ids.
    pub fn strand(&self, row: usize) -> Option<StrandId> {
        let Self::Ids(ids) = self else { return None };
        ids.get(row).copied().flatten().map(|ProfileId(strand)| strand)
    }

    /// The integer, or the milliseconds, of a row.
    pub fn integer(&self, row: usize) -> Option<i64> {
        let Self::Integers(values) = self else { return None };
        values.get(row).copied().flatten()
    }

    /// The number of a row.
    pub fn number(&self, row: usize) -> Option<f64> {
        let Self::Numbers(values) = self else { return None };
        values.get(row).copied().flatten()
    }

    /// The truth of a row.
    pub fn boolean(&self, row: usize) -> Option<bool> {
        let Self::Booleans(values) = self else { return None };
        values.get(row).copied().flatten()
    }

    /// The text of a row.
    pub fn text(&self, row: usize) -> Option<&str> {
        let Self::Texts(texts) = self else { return None };
        texts.get(row)
    }
}
