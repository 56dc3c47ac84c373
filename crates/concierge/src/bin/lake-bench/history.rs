//! A lake as a month of a busy shop would have filled it, drawn anew from a seed each time.
//!
//! Everybody is born on the day before the month and exposed to one experience once, half of them again within ten
//! days; a tenth have a second device. Events are spread evenly over people and time. Files are as large as upkeep
//! makes them: eight tails put together, of the rows of one day.

use engine::archive::tables;
use lake::{Cell, Folder, Row, Table};
use model::{Lane, ProfileId, Seq, StrandId, Timestamp, UnitId};

/// 2026-09-30, the day on which people are born.
const BEGINNING: Timestamp = Timestamp(1_790_726_400_000);
const DAY_MS: u64 = 24 * 60 * 60 * 1_000;
/// Days with events.
const DAYS: u64 = 30;
/// Rows of eight tails of the default size.
const FILE_ROWS: u64 = 320_000;
/// Positions in the log that a person's strands have between them and the next person's.
const STRIDE: u64 = 4;
/// A second exposure comes within so many days.
const AGAIN_DAYS: u64 = 10;

/// Names of events, and how many of a hundred have each.
const NAMES: [(&str, u64); 10] = [
    ("Product Viewed", 32),
    ("Product List Viewed", 18),
    ("Product Clicked", 14),
    ("Products Searched", 9),
    ("Product Added", 8),
    ("Cart Viewed", 6),
    ("Checkout Started", 4),
    ("Order Completed", 4),
    ("Email Opened", 3),
    ("Promotion Viewed", 2),
];
/// What a metric counts.
const ORDER: &str = "Order Completed";
const EXPERIENCE: &str = "checkout";
const VARIANTS: [&str; 2] = ["control", "treatment"];
const CATEGORIES: [&str; 6] = ["kitchen", "garden", "audio", "books", "outdoor", "toys"];
const PURPOSES: [&str; 3] = [
    r#"["necessary","analytics","personalization"]"#,
    r#"["necessary","analytics"]"#,
    r#"["necessary","analytics","personalization","marketing"]"#,
];
const CHANNELS: [&str; 5] = ["direct", "search", "social", "email", "referral"];
const DEVICES: [(&str, &str, &str); 4] = [
    ("mobile", "iOS", "Mobile Safari"),
    ("mobile", "Android", "Chrome Mobile"),
    ("desktop", "Windows", "Chrome"),
    ("desktop", "macOS", "Safari"),
];
const PLACES: [(&str, &str, &str, &str); 4] = [
    ("SE", "Stockholm", "Stockholm", "sv-SE"),
    ("DE", "Berlin", "Berlin", "de-DE"),
    ("NO", "Oslo", "Oslo", "nb-NO"),
    ("GB", "England", "London", "en-GB"),
];

/// How large it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct History {
    pub(crate) events: u64,
    pub(crate) people: u64,
    pub(crate) seed: u64,
}

/// A file that is to be written; all that is in it follows from this.
#[derive(Clone, Copy, Debug)]
pub(crate) enum File {
    /// Whose the strands of these people are, by the first and the first that is not meant.
    Links(u64, u64),
    /// The exposures of a day.
    Exposures(u64),
    /// Events of a day: which of so many files.
    Events { day: u64, part: u64, parts: u64 },
}

/// Where a row is sorted, and what it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    lane: u16,
    born: u64,
    /// Which of the file's rows it is, in the order of the log.
    nth: u64,
    person: u64,
}

/// Numbers that look drawn and follow from what they are asked for (the finaliser of `SplitMix64`).
fn mixed(of: u64) -> u64 {
    let mut mixed = of.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

fn one_of<T: Copy>(all: &[T], drawn: u64) -> Option<T> {
    let place = usize::try_from(drawn % all.len().max(1) as u64).ok()?;
    all.get(place).copied()
}

fn still(text: Option<&'static str>) -> Cell<'static> {
    text.map_or(Cell::Absent, |text| Cell::Text(text.into()))
}

fn text(text: String) -> Cell<'static> {
    Cell::Text(text.into())
}

fn integer(number: u64) -> Cell<'static> {
    Cell::Integer(i64::try_from(number).unwrap_or(i64::MAX))
}

fn strand(place: Place) -> StrandId {
    StrandId { born: Seq(place.born), lane: Lane::from_hash(u64::from(place.lane)) }
}

/// A random id as clients make them: a UUID of version 4.
fn uuid(drawn: u64) -> String {
    let (high, low) = (mixed(drawn), mixed(!drawn));
    let node = low & 0xffff_ffff_ffff;
    let (first, second, third) = (high >> 32, (high >> 16) & 0xffff, high & 0xfff);
    format!("{first:08x}-{second:04x}-4{third:03x}-a{:03x}-{node:012x}", (low >> 48) & 0xfff)
}

impl History {
    /// All files of the lake.
    pub(crate) fn files(self) -> Vec<File> {
        let links = (0..self.people.div_ceil(FILE_ROWS))
            .map(|nth| File::Links(nth * FILE_ROWS, ((nth + 1) * FILE_ROWS).min(self.people)));
        let days = 0..DAYS;
        let parts = (self.events / DAYS).div_ceil(FILE_ROWS).max(1);
        let events = days
            .clone()
            .flat_map(move |day| (0..parts).map(move |part| File::Events { day, part, parts }));
        links.chain(days.map(File::Exposures)).chain(events).collect()
    }

    /// Writes a file.
    pub(crate) fn write(self, folder: &Folder, file: File) -> anyhow::Result<()> {
        let (table, day, mut rows): (&'static Table, u64, Vec<(Place, Timestamp)>) = match file {
            File::Links(from, to) => (&tables::LINKS, 0, self.births(from, to)),
            File::Exposures(day) => (&tables::EXPOSURES, day + 1, self.exposures(day)),
            File::Events { day, part, parts } => {
                (&tables::EVENTS, day + 1, self.draw(day, part, parts))
            }
        };
        let positions = rows.iter().map(|(place, _)| place.nth);
        let (Some(first), Some(last)) = (positions.clone().min(), positions.max()) else {
            return Ok(());
        };
        rows.sort_unstable();
        let day_ms = i64::try_from(day * DAY_MS)?;
        let day = jiff::Timestamp::from_millisecond(BEGINNING.0 + day_ms)?.strftime("%Y-%m-%d");
        let name = format!("{}/day={day}/{first:020}-{last:020}.parquet", table.name);
        let mut rows = rows.into_iter().map(|(place, at)| {
            Ok(match file {
                File::Links(..) => self.link(place, at),
                File::Exposures(_) => self.exposure(place, at),
                File::Events { .. } => self.event(place, at),
            })
        });
        folder.write(table, &name, &mut rows)?;
        Ok(())
    }

    fn drawn(self, of: u64, which: u64) -> u64 {
        mixed(mixed(self.seed ^ of.wrapping_mul(0xd134_2543_de82_ef95)) ^ which)
    }

    fn unit(self, person: u64) -> UnitId {
        UnitId(self.drawn(person, 1))
    }

    /// The strand of a person: the first device, or the second of those who have one.
    fn place(self, person: u64, is_second: bool, nth: u64) -> Place {
        let device = u64::from(is_second && self.has_second(person));
        let lane = u16::try_from(self.drawn(person, 2 + device) % 1_024).unwrap_or_default();
        Place { lane, born: 1 + person * STRIDE + device, nth, person }
    }

    fn has_second(self, person: u64) -> bool {
        self.drawn(person, 4).is_multiple_of(10)
    }

    fn births(self, from: u64, to: u64) -> Vec<(Place, Timestamp)> {
        let mut rows = Vec::new();
        for person in from..to {
            let born = BEGINNING.0.saturating_add_unsigned(person * DAY_MS / self.people.max(1));
            for is_second in [false, true] {
                if !is_second || self.has_second(person) {
                    let mut place = self.place(person, is_second, 0);
                    place.nth = place.born;
                    rows.push((place, Timestamp(born)));
                }
            }
        }
        rows
    }

    /// The exposures of a day, in the order of people.
    fn exposures(self, day: u64) -> Vec<(Place, Timestamp)> {
        let mut rows = Vec::new();
        // Positions after those of births; a day has a thirtieth of one and a half for each person.
        let first = STRIDE * self.people + day * 2 * self.people / DAYS;
        for person in 0..self.people {
            let at = DAY_MS + self.drawn(person, 5) % (DAYS * DAY_MS);
            let again = at + self.drawn(person, 6) % (AGAIN_DAYS * DAY_MS);
            let is_again = self.drawn(person, 7).is_multiple_of(2);
            for (at, is_meant, is_second) in [(at, true, false), (again, is_again, true)] {
                if is_meant && at / DAY_MS == day + 1 {
                    let place = self.place(person, is_second, first + rows.len() as u64);
                    rows.push((place, Timestamp(BEGINNING.0.saturating_add_unsigned(at))));
                }
            }
        }
        rows
    }

    /// Events of a part of a day, in the order of time.
    fn draw(self, day: u64, part: u64, parts: u64) -> Vec<(Place, Timestamp)> {
        let count = self.events / (DAYS * parts);
        let before = (day * parts + part) * count;
        let start = (day + 1) * DAY_MS + part * DAY_MS / parts;
        let row = |nth: u64| {
            let drawn = self.drawn(before + nth, 8);
            let is_second = self.drawn(before + nth, 9).is_multiple_of(2);
            let seq = (STRIDE + 2) * self.people + before + nth;
            let at = BEGINNING.0.saturating_add_unsigned(start + nth * DAY_MS / (parts * count));
            (self.place(drawn % self.people, is_second, seq), Timestamp(at))
        };
        (0..count).map(row).collect()
    }

    fn start(self, place: Place, at: Timestamp, columns: usize) -> Row {
        let mut row = Row::with_capacity(columns);
        row.extend([
            text(ProfileId(strand(place)).to_string()),
            integer(u64::from(place.lane)),
            integer(place.nth),
            Cell::Time(at),
            Cell::Time(at),
        ]);
        row
    }

    fn link(self, place: Place, at: Timestamp) -> Row {
        let mut row = self.start(place, at, tables::LINKS.columns.len());
        let head = ProfileId(strand(self.place(place.person, false, 0)));
        row.extend([text(head.to_string()), text(self.unit(place.person).to_string())]);
        row
    }

    fn exposure(self, place: Place, at: Timestamp) -> Row {
        let mut row = self.start(place, at, tables::EXPOSURES.columns.len());
        let drawn = self.drawn(place.nth, 10);
        row.extend([
            text(format!("{:032x}", u128::from(mixed(drawn)))),
            text(format!("{:032x}", u128::from(mixed(!drawn)))),
            text(self.unit(place.person).to_string()),
            still(Some("hero")),
            still(Some(EXPERIENCE)),
            Cell::Integer(1),
            still(one_of(&VARIANTS, self.drawn(place.person, 11))),
            Cell::Absent,
            Cell::Number(0.5),
            still(Some(r#"["personalization"]"#)),
            still(Some(r#"["personalization"]"#)),
            still(one_of(&["[]", r#"["buyers"]"#, r#"["buyers","lapsed"]"#], drawn)),
            still(Some(r#"{"lifecycle":"active"}"#)),
            Cell::Absent,
            Cell::Absent,
        ]);
        row
    }

    fn event(self, place: Place, at: Timestamp) -> Row {
        let mut row = self.start(place, at, tables::EVENTS.columns.len());
        let drawn = self.drawn(place.nth, 12);
        let (name, product, category) = named(drawn);
        let is_order = name == ORDER;
        // Eighths, so that sums are exact in any order.
        let revenue = ((drawn >> 40) % 1_600) as f64 / 8.0;
        row.extend([
            still(Some("track")),
            still(Some(name)),
            still(Some("shop")),
            text(uuid(drawn)),
            if self.has_second(place.person) {
                text(format!("user-{:09}", place.person))
            } else {
                Cell::Absent
            },
            text(uuid(place.born)),
            still(one_of(&PURPOSES, self.drawn(place.person, 13))),
            still(Some("[]")),
            Cell::Boolean(true),
            Cell::Boolean(false),
            if is_order { Cell::Number(revenue) } else { Cell::Absent },
            Cell::Absent,
            if is_order { still(Some("EUR")) } else { Cell::Absent },
        ]);
        self.context(place.person, (product, category), &mut row);
        row.push(text(if is_order {
            format!(
                r#"{{"order_id":"o-{:x}","revenue":{revenue},"currency":"EUR","coupon":null}}"#,
                drawn >> 20
            )
        } else {
            format!(
                r#"{{"product_id":"p-{product}","category":"{category}","price":{revenue},"position":{}}}"#,
                drawn % 20
            )
        }));
        row
    }

    fn context(self, person: u64, (product, category): (u64, &str), row: &mut Row) {
        let drawn = self.drawn(person, 14);
        let device = one_of(&DEVICES, drawn);
        let place = one_of(&PLACES, drawn >> 8);
        let is_campaign = (drawn >> 16).is_multiple_of(4);
        row.extend([
            text(format!("/{category}/p-{product}")),
            still(one_of(&CHANNELS, drawn >> 24)),
            Cell::Absent,
            if is_campaign { still(Some("newsletter")) } else { Cell::Absent },
            if is_campaign { still(Some("email")) } else { Cell::Absent },
            if is_campaign { still(Some("autumn")) } else { Cell::Absent },
            still(device.map(|device| device.0)),
            still(device.map(|device| device.1)),
            still(device.map(|device| device.2)),
            still(place.map(|place| place.0)),
            still(place.map(|place| place.1)),
            still(place.map(|place| place.2)),
            still(place.map(|place| place.3)),
        ]);
    }
}

/// The name of an event, and the product that it is about.
fn named(drawn: u64) -> (&'static str, u64, &'static str) {
    let mut left = drawn % 100;
    let of_hundred = |(name, share): &(&'static str, u64)| {
        let is_it = left < *share;
        left = left.saturating_sub(*share);
        is_it.then_some(*name)
    };
    let name = NAMES.iter().find_map(of_hundred).unwrap_or(ORDER);
    let product = (drawn >> 8) % 2_000;
    (name, product, one_of(&CATEGORIES, product).unwrap_or_default())
}
