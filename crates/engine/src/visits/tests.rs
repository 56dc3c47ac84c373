//! What is a visit, and that strands and people keep the same ones.

use model::{Consents, Lane, Seq, StrandId, Timestamp, UnitId};
use proptest::prelude::*;
use store::Vault;

use super::*;
use crate::{
    caller::Caller,
    enrich::Enricher,
    ingest::Item,
    normalise::{ConsentReader, ConsentSignals, Envelope, normalise},
    record::MetaHead,
};

fn item(body: &Value) -> Item {
    let source = "web".parse().unwrap();
    let signals = ConsentSignals::default();
    let envelope = Envelope {
        source: &source,
        received_at: Timestamp(1_795_348_800_000),
        judged_at: Timestamp(1_795_348_800_000),
        sent_at: None,
        historical: true,
        marks: model::event::Marks::default(),
        kind: None,
        context: None,
        row: None,
        caller: Caller::default(),
        enricher: &Enricher::default(),
        consent: ConsentReader::of(&signals),
    };
    normalise(body.to_string().as_bytes(), &envelope)
}

fn shown(body: &Value) -> String {
    match item(body) {
        Item::Rejected(rejected) => rejected.code.to_string(),
        Item::Event(event) | Item::Replayed(event, _) => match of(&event, event.order()) {
            Some(visit) => format!("{} of {}", visit.pages, visit.entry.landing),
            None => "none".to_owned(),
        },
    }
}

#[test]
fn somebody_must_have_been_there() {
    let page = json!({"type": "page", "userId": "u", "properties": {"path": "/a"}});
    assert_eq!(shown(&page), "1 of /a");
    let screen = json!({"type": "screen", "userId": "u", "name": "Home"});
    assert_eq!(shown(&screen), "1 of Home");
    let track =
        |context: Value| json!({"type": "track", "event": "X", "userId": "u", "context": context});
    assert_eq!(shown(&track(json!({"page": {"path": "/b"}}))), "0 of /b");
    assert_eq!(shown(&track(json!({"userAgent": "x"}))), "0 of ");
    assert_eq!(shown(&track(json!({"library": {"name": "server"}}))), "none");
    let bot = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)";
    assert_eq!(shown(&track(json!({"userAgent": bot}))), "none");
}

#[test]
fn no_client_tells_when_a_visit_started() {
    let body = json!({"type": "track", "event": STARTED, "userId": "u"});
    assert_eq!(shown(&body), "reserved_name");
}

proptest! {
    #[test]
    fn a_strand_keeps_the_visits_of_its_events(
        events in proptest::collection::vec((0_i64..2_000, any::<bool>(), 0_u32..4), 0..60),
    ) {
        let directory = tempfile::tempdir().unwrap();
        let vault = Vault::open(directory.path(), 0).unwrap();
        let slot = vault.allocate().unwrap();
        let strand = StrandId { born: Seq(5), lane: Lane::from_hash(3) };
        let (unit, consents) = (UnitId(9), Consents::default());
        let meta = MetaHead { slot: slot.0, head: strand, unit, consents };
        let mut page = Page::born(strand, meta, Arc::new(vault.key(slot).unwrap()));
        let mut visits = Visits::default();
        for (tie, (minute, is_page, purposes)) in (0..).zip(events) {
            let time = Timestamp(minute * 60_000);
            let visit = Visit {
                start: Order { time, tie },
                last: time,
                events: 1,
                pages: u32::from(is_page),
                purposes: PurposeSet(purposes),
                entry: Arc::new(Entry { landing: format!("/{tie}"), context: String::new() }),
            };
            write(&mut page, visit.clone()).unwrap();
            visits.insert(visit);
        }
        let mut read_back = Visits::default();
        read(&page, &mut read_back).unwrap();
        prop_assert_eq!(read_back, visits);
    }
}
