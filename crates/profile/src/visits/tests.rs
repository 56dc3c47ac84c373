//! Visits against their definition, whatever the order of arrival and however strands divide them.

use proptest::prelude::*;

use super::*;

fn seen(minute: i64, tie: u64, is_page: bool, purposes: u32) -> Visit {
    let time = Timestamp(minute * 60_000);
    let entry = Entry { landing: format!("/{minute}/{tie}"), context: String::new() };
    Visit {
        start: Order { time, tie },
        last: time,
        events: 1,
        pages: u32::from(is_page),
        purposes: PurposeSet(purposes),
        entry: Arc::new(entry),
    }
}

fn of(events: impl IntoIterator<Item = Visit>) -> Visits {
    let mut visits = Visits::default();
    for event in events {
        visits.insert(event);
    }
    visits
}

/// Visits as they are defined: sorted events, cut at each pause.
fn cut(mut events: Vec<Visit>) -> Vec<Visit> {
    events.sort_by_key(|event| event.start);
    let mut visits: Vec<Visit> = Vec::new();
    for event in events {
        match visits.last_mut() {
            Some(visit) if event.start.time.since(visit.last) < PAUSE => visit.absorb(&event),
            _ => visits.push(event),
        }
    }
    visits
}

fn events() -> impl Strategy<Value = Vec<Visit>> {
    let minutes = proptest::collection::vec((0_i64..400, any::<bool>(), 0_u32..8), 0..40);
    minutes.prop_map(|minutes| {
        let event = |(tie, (minute, is_page, purposes))| seen(minute, tie, is_page, purposes);
        (0..).zip(minutes).map(event).collect()
    })
}

#[test]
fn a_pause_of_half_an_hour_ends_a_visit() {
    let visits = of([seen(0, 1, true, 1), seen(29, 2, true, 1), seen(59, 3, true, 1)]);
    let shown: Vec<_> =
        visits.iter().map(|v| (v.start.time.0 / 60_000, v.pages, &*v.entry.landing)).collect();
    assert_eq!(shown, [(0, 2, "/0/1"), (59, 1, "/59/3")]);
}

#[test]
fn a_late_event_makes_two_visits_one() {
    let mut visits = of([seen(0, 1, true, 3), seen(40, 2, true, 1)]);
    let Changed { replaced, visit } = visits.insert(seen(20, 3, false, 3));
    assert_eq!(replaced.len(), 2);
    let visit = visit.unwrap();
    assert_eq!((visit.events, visit.pages, visit.purposes), (3, 2, PurposeSet(1)));
    assert_eq!(visits.iter().count(), 1);
}

#[test]
fn the_newest_are_kept() {
    let mut visits = of((0..100).map(|hour| seen(hour * 60, 0, true, 1)));
    assert!(!visits.has_earlier());
    let Changed { replaced, visit } = visits.insert(seen(6_000, 0, true, 1));
    assert_eq!((replaced[0].time, visit.is_some()), (Timestamp(0), true));
    assert!(visits.has_earlier());
    let Changed { replaced, visit } = visits.insert(seen(0, 0, true, 1));
    assert!(replaced.is_empty() && visit.is_none(), "older than what is kept");
    assert_eq!(visits.iter().count(), MAX_VISITS);
}

proptest! {
    #[test]
    fn visits_are_what_lies_between_pauses(events in events()) {
        prop_assert_eq!(of(events.clone()).visits, cut(events));
    }

    #[test]
    fn strands_may_divide_events_in_any_way(events in events(), sides in any::<u64>()) {
        let side = |place: usize| sides >> (place % 64) & 1 == 1;
        let part = |wanted: bool| {
            let of_side = events.iter().enumerate().filter(|(place, _)| side(*place) == wanted);
            of(of_side.map(|(_, event)| event.clone()))
        };
        let mut whole = part(true);
        for visit in part(false).iter() {
            whole.insert(visit.clone());
        }
        prop_assert_eq!(whole, of(events.clone()));
    }

    #[test]
    fn what_changed_is_told(events in events()) {
        let mut known = std::collections::BTreeMap::new();
        let mut visits = Visits::default();
        for event in events {
            let Changed { replaced, visit } = visits.insert(event);
            for start in replaced {
                prop_assert!(known.remove(&start).is_some());
            }
            known.extend(visit.map(|visit| (visit.start, visit)));
        }
        prop_assert_eq!(known.into_values().collect::<Vec<_>>(), visits.visits);
    }
}
