use std::collections::BTreeMap;

use expect_test::expect;
use model::{Consents, Lane, Seq, UnitId};
use proptest::prelude::*;
use store::{Batch, Memory, Store, Vault};

use super::*;

/// What a page should hold: rows by kind and name.
type Oracle = BTreeMap<(u8, Vec<u8>), Vec<u8>>;

const KINDS: [Kind; 6] =
    [Kind::Meta, Kind::Trait, Kind::Assignment, Kind::Membership, Kind::Win, Kind::Event];

struct World {
    _directory: tempfile::TempDir,
    keys: Keys,
    store: Memory,
}

impl World {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let keys = Keys { vault: Vault::open(directory.path(), 0).unwrap() };
        Self { _directory: directory, keys, store: Memory::default() }
    }

    fn born(&self) -> Page {
        let strand = StrandId { born: Seq(5), lane: Lane::from_hash(3) };
        let slot = self.keys.vault.allocate().unwrap();
        let consents = Consents::default();
        let meta = MetaHead { slot: slot.0, head: strand, unit: UnitId(9), consents };
        Page::born(strand, meta, Arc::new(self.keys.vault.key(slot).unwrap()))
    }

    /// Writes a page and reads it again; returns it with the bytes that were written.
    fn through_the_store(&self, page: &mut Page) -> (Page, usize) {
        let mut batch = Batch::new();
        for row in page.lay_out().unwrap() {
            match row.seal(&self.keys, page.key()).unwrap() {
                Some(value) => batch.put(Table::Strand, &row.key, value),
                None => batch.delete(Table::Strand, &row.key),
            }
        }
        let bytes = batch.bytes();
        self.store.commit(batch).unwrap();
        (Page::read(&self.store, &self.keys, page.strand()).unwrap().unwrap(), bytes)
    }

    fn all(&self, page: &Page) -> Oracle {
        let mut all: Oracle = page
            .rows()
            .map(|(kind, name, value)| ((kind as u8, name.to_vec()), value.to_vec()))
            .collect();
        let mut events = |name: &[u8], value: &[u8]| {
            let is_new = all.insert((Kind::Event as u8, name.to_vec()), value.to_vec()).is_none();
            assert!(is_new, "an event is in one place only");
        };
        page.of_kind(Kind::Event).for_each(|(name, value)| events(name, value));
        page.chunks(&self.store, &mut |name, value| {
            events(name, value);
            Ok(())
        })
        .unwrap();
        all
    }
}

#[derive(Clone, Debug)]
enum Step {
    Put(Kind, u8, u16),
    Delete(Kind, u8),
    DeleteAll(Kind),
    Write,
}

fn step() -> impl Strategy<Value = Step> {
    let kind = || proptest::sample::select(&KINDS[..]);
    // An event is written once and never removed.
    let small = || proptest::sample::select(&KINDS[..KINDS.len() - 1]);
    prop_oneof![
        12 => (kind(), any::<u8>(), 0_u16..600).prop_map(|(k, n, len)| Step::Put(k, n, len)),
        2 => (small(), any::<u8>()).prop_map(|(k, n)| Step::Delete(k, n)),
        1 => small().prop_map(Step::DeleteAll),
        4 => Just(Step::Write),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever outgrows a page or shrinks back into it, what is read is what was put.
    #[test]
    fn a_page_reads_back_as_it_was_put(steps in proptest::collection::vec(step(), 1..120)) {
        let world = World::new();
        let mut page = world.born();
        let mut oracle = Oracle::new();
        for (number, step) in steps.into_iter().enumerate() {
            match step {
                Step::Put(kind, name, len) => {
                    let mut name = vec![name];
                    if kind == Kind::Event {
                        name.extend_from_slice(&number.to_be_bytes());
                    }
                    let value = vec![u8::try_from(number % 256).unwrap(); usize::from(len)];
                    page.put(kind, &name, &value);
                    prop_assert_eq!(page.get(kind, &name), Some(&value[..]));
                    oracle.insert((kind as u8, name), value);
                }
                Step::Delete(kind, name) => {
                    page.delete(kind, &[name]);
                    oracle.remove(&(kind as u8, vec![name]));
                }
                Step::DeleteAll(kind) => {
                    page.delete_all(kind);
                    oracle.retain(|(of, _), _| *of != kind as u8);
                }
                Step::Write => page = world.through_the_store(&mut page).0,
            }
        }
        let (read, _) = world.through_the_store(&mut page);
        prop_assert_eq!(world.all(&read), oracle);
        prop_assert_eq!(read.meta(), page.meta());
        // No row stays behind that no page names.
        let mut rows = 0;
        world.store.scan(Table::Strand, store::KeyRange::all(), ScanOrder::Ascending, &mut |_, _| {
            rows += 1;
            ControlFlow::Continue(())
        }).unwrap();
        let leaves: u32 = read.head.leaves.iter().map(|count| u32::from(*count)).sum();
        prop_assert_eq!(rows, 1 + leaves + read.head.chunks);
    }
}

/// One more event must not rewrite much, however much there is already.
#[test]
fn an_event_rewrites_what_is_small() {
    for known in [0, 10, 14, 400] {
        let world = World::new();
        let mut page = world.born();
        for number in 0_u16..known {
            // Bytes that do not compress.
            let value: Vec<u8> = blake3::hash(&number.to_be_bytes()).as_bytes().repeat(2);
            page.put(Kind::Trait, &number.to_be_bytes(), &value);
            page.put(Kind::Membership, &number.to_be_bytes(), &value);
        }
        (page, _) = world.through_the_store(&mut page);
        assert_eq!(page.has_leaves(), known == 400);
        let mut most = 0;
        for number in 0_u64..300 {
            let value: Vec<u8> = blake3::hash(&number.to_be_bytes()).as_bytes().repeat(3);
            page.put(Kind::Event, &number.to_be_bytes(), &value);
            let written;
            (page, written) = world.through_the_store(&mut page);
            most = most.max(written);
        }
        let limit = if known == 400 { 1_500 } else { 3_700 };
        assert!(most < limit, "{most} bytes for one event, {known} of each kind known");
        assert_eq!(world.all(&page).len(), usize::from(2 * known) + 300);
    }
}

#[test]
fn a_page_is_bound_to_its_strand_and_its_head() {
    let world = World::new();
    let mut page = world.born();
    page.put(Kind::Meta, &[], b"somebody");
    let laid = page.lay_out().unwrap().pop().unwrap();
    let row = laid.seal(&world.keys, page.key()).unwrap().unwrap();
    assert!(Page::open(&world.keys, page.strand(), &row).is_ok());
    let other = StrandId { born: Seq(6), ..page.strand() };
    assert!(Page::open(&world.keys, other, &row).is_err());
    let mut forged = row.to_vec();
    forged[MetaHead::BYTES] ^= 1;
    assert!(Page::open(&world.keys, page.strand(), &forged).is_err());
    assert!(Page::open(&world.keys, page.strand(), &row[..Head::BYTES]).is_err());
}

/// Bytes of the layout. A change here is a change of the stored format.
#[test]
fn a_page_is_laid_out_as_it_always_was() {
    let world = World::new();
    let mut page = world.born();
    page.put(Kind::Meta, &[], b"who");
    page.put(Kind::Link, &[7, 8], b"link");
    let Laid { key, rows } = page.lay_out().unwrap().pop().unwrap();
    let Unsealed { head, plain } = rows.unwrap();
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    expect!["00030000000000000005"].assert_eq(&hex(&key));
    expect![
        "0100000000000000010003000000000000000500000000000000090000000000000000000000000000000000000000"
    ]
    .assert_eq(&hex(&head));
    expect!["0103000177686f0304000207086c696e6b"].assert_eq(&hex(&plain));
}

#[test]
fn a_row_of_no_known_kind_is_refused() {
    let rows = |bytes: &[u8]| index(bytes, 0, &mut Vec::new());
    assert!(rows(&[1, 0, 0, Kind::Meta as u8]).is_ok());
    assert!(rows(&[1, 0, 0, 0x7f]).is_err());
    assert!(rows(&[0, 0, 0]).is_err(), "a row without a kind");
    assert!(rows(&[1, 9, 0, Kind::Meta as u8]).is_err(), "a value that is cut off");
}
