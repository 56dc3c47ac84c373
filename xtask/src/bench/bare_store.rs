//! The yardstick for ingest: what the embedded store by itself does with the rows of such events.
//!
//! One thread reads a page, changes it, and commits many at a time with one sync, as ingest does;
//! no HTTP, no JSON, nothing folded, sealed or answered. Rows are as long as those of the ingest
//! load on average, and written with the program's own settings.

use std::collections::{HashMap, hash_map::Entry};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use store::{Batch, Fjall, FjallOptions, Reader as _, Store as _, Table as Rows};

use crate::{
    arguments::Arguments,
    measured::us,
    proc::{self, Usage},
    server::Cores,
    table::Table,
    zipf::{People, Popularity, Random},
};

/// Events committed at a time: what a batch of the program holds under this load.
const BATCH_EVENTS: u64 = 1_600;
/// A page, sealed.
const PAGE_BYTES: usize = 540;
/// An event's body, sealed.
const BODY_BYTES: usize = 270;
/// Events named by one row of the log, and its bytes.
const LOG_EVENTS: u64 = 80;
const LOG_BYTES: usize = 2_000;
/// Pages written at a time before anything is measured.
const FILL_PAGES: u64 = 5_000;

/// Measures the store alone, with popular people and with people alike.
pub(crate) fn measure(arguments: &Arguments, table: &mut Table) -> anyhow::Result<()> {
    let directory = directory(&arguments.data);
    crate::remove(&directory)?;
    proc::pin_to(Cores::All)?;
    let result = measure_in(&directory, arguments, table);
    proc::pin_to(Cores::Generator)?;
    crate::remove(&directory)?;
    result
}

fn measure_in(directory: &Path, arguments: &Arguments, table: &mut Table) -> anyhow::Result<()> {
    crate::say("the store alone");
    let mut alone = Alone::fill(directory, arguments)?;
    for popularity in [Popularity::Zipf, Popularity::Uniform] {
        alone.run(popularity, arguments.warm_up)?;
        let before = Usage::of_self()?;
        let (events, took) = alone.run(popularity, arguments.measured)?;
        let used = Usage::of_self()?.since(before);
        table.section(format!(
            "The store alone: rows as of ingest, read, changed and committed by one thread, {popularity}"
        ));
        table.row("events/s", events / took.as_secs_f64());
        table.row("CPU per event, µs", us(used.cpu) / events);
        table.row("written per event, bytes", used.written_bytes as f64 / events);
    }
    Ok(())
}

fn directory(data: &Path) -> PathBuf {
    let mut name = data.as_os_str().to_owned();
    name.push("-store");
    name.into()
}

/// A store that holds a page for each person.
struct Alone {
    store: Fjall,
    profiles: u64,
    random: Random,
    seq: u64,
}

impl Alone {
    fn fill(directory: &Path, arguments: &Arguments) -> anyhow::Result<Self> {
        let store = Fjall::open(directory, FjallOptions::default())?;
        let random = Random::new(arguments.seed, 0);
        let mut alone = Self { store, profiles: arguments.profiles, random, seq: 0 };
        let mut batch = Batch::new();
        for person in 0..arguments.profiles {
            let page = noise(&mut alone.random, PAGE_BYTES);
            batch.put(Rows::Strand, page_key(person), page);
            if person % FILL_PAGES == FILL_PAGES - 1 || person + 1 == arguments.profiles {
                alone.store.apply(&mut batch)?;
                batch.clear();
            }
        }
        Ok(alone)
    }

    /// Takes in events for as long as told; how many, and how long that took. Each run draws
    /// anew, since what it writes is drawn as well.
    fn run(
        &mut self,
        popularity: Popularity,
        lasting: Duration,
    ) -> anyhow::Result<(f64, Duration)> {
        let mut people = People::new(popularity, self.profiles, self.random.clone());
        let (start, first) = (Instant::now(), self.seq);
        let mut batch = Batch::new();
        while start.elapsed() < lasting {
            self.fold(&mut people, &mut batch)?;
            self.store.apply(&mut batch)?;
            batch.clear();
        }
        Ok(((self.seq - first) as f64, start.elapsed()))
    }

    /// Puts the rows of one batch together.
    fn fold(&mut self, people: &mut People, batch: &mut Batch) -> anyhow::Result<()> {
        let mut pages: HashMap<u64, Vec<u8>> = HashMap::new();
        for _ in 0..BATCH_EVENTS {
            let person = people.next();
            let page = match pages.entry(person) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(unknown) => {
                    let stored = self.store.get(Rows::Strand, &page_key(person))?;
                    unknown.insert(stored.context("a page is missing")?.to_vec())
                }
            };
            let at = self.random.below(PAGE_BYTES as u64 - 8);
            let at = usize::try_from(at).unwrap_or_default();
            page[at..at + 8].copy_from_slice(&self.random.next().to_be_bytes());
            self.seq += 1;
            batch.put(Rows::Body, self.seq.to_be_bytes(), noise(&mut self.random, BODY_BYTES));
            batch.put(Rows::Dedup, noise(&mut self.random, 18), noise(&mut self.random, 4));
            if self.seq.is_multiple_of(LOG_EVENTS) {
                let row = noise(&mut self.random, LOG_BYTES);
                batch.put(Rows::Log, self.seq.to_be_bytes(), row);
            }
        }
        for (person, page) in pages {
            batch.put(Rows::Strand, page_key(person), page);
        }
        Ok(())
    }
}

/// People lie in no order, as by a hash.
fn page_key(person: u64) -> [u8; 10] {
    let mut key = [0; 10];
    key[..2]
        .copy_from_slice(&(person.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 54).to_be_bytes()[6..]);
    key[2..].copy_from_slice(&person.to_be_bytes());
    key
}

/// What is sealed looks like noise.
fn noise(random: &mut Random, len: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        bytes.extend_from_slice(&random.next().to_be_bytes());
    }
    bytes.truncate(len);
    bytes
}
