//! The rows of measuring: their keys, and their records, which are part of the stored format.

use std::ops::ControlFlow;

use experiment::{Amount, Arm, Exposure, History, Measured, MetricId, Stratum, Tally, Values};
use model::{DecisionId, Key, StrandId, Timestamp};
use serde::{Deserialize, Serialize};
use store::{Reader, ScanOrder, Table, prefix_range};

use super::{lane_of, number, strand_at_end};
use crate::{keys, record, sealed::RowError};

const STRAND: u8 = 0x01;
const UNIT: u8 = 0x02;
const SUMS: u8 = 0x11;
/// The prefix of whom to look at at an instant.
pub(super) const DUE: [u8; 1] = [0x12];
const PICTURE: u8 = 0x13;
/// Where the walk over everyone stands.
pub(super) const WALK: [u8; 1] = [0x14];
const RECOUNT: u8 = 0x15;
/// Under [`SUMS`]: how many units were exposed.
const COUNT: u8 = 0;
/// Under [`SUMS`]: what they did.
const TALLY: u8 = 1;

/// Most experiences whose exposures are kept of a strand, so that they fit into a row.
pub(super) const EXPERIENCES_MAX: usize = 40;

/// An exposure with the decision that says so, before there were strata.
type Unstratified = (Exposure, Option<u128>);

/// What a strand was exposed to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum StoredStrand {
    /// Before there were strata.
    V1 {
        head: StrandId,
        exposures: Vec<(Key, Vec<Unstratified>)>,
    },
    V2(Strand),
}

/// What a strand was exposed to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Strand {
    /// The head of the person with whom it was counted last.
    pub(crate) head: StrandId,
    /// By experience: the first exposure to each arm.
    pub(crate) exposures: Vec<(Key, Vec<StoredExposure>)>,
}

impl From<StoredStrand> for Strand {
    fn from(stored: StoredStrand) -> Self {
        let (head, exposures) = match stored {
            StoredStrand::V1 { head, exposures } => (head, exposures),
            StoredStrand::V2(strand) => return strand,
        };
        let stratum = Stratum::ONLY;
        let known = |(exposure, decision)| StoredExposure { exposure, decision, stratum };
        let of_experience = |(key, exposures): (Key, Vec<_>)| {
            (key, exposures.into_iter().map(known).collect::<Vec<_>>())
        };
        Self { head, exposures: exposures.into_iter().map(of_experience).collect() }
    }
}

/// An exposure with the decision that says so; `None` where an event does.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct StoredExposure {
    pub(crate) exposure: Exposure,
    pub(crate) decision: Option<u128>,
    /// Among whom the unit was divided when it was given its variant.
    pub(crate) stratum: Stratum,
}

/// What a unit was exposed to and did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum StoredUnit {
    /// Before there were strata.
    V1 {
        exposure: Exposure,
        strand: StrandId,
        decision: Option<u128>,
        is_several: bool,
        measured: Vec<(MetricId, Measured)>,
    },
    V2(Unit),
    /// With what the lower part of ratios was before the exposure, where that is not 0.
    V3 {
        unit: Unit,
        before_lower: Vec<(MetricId, Amount)>,
    },
}

impl StoredUnit {
    /// The form in which a unit is stored.
    pub(super) fn of(unit: Unit) -> Self {
        let of_metric = |(id, measured): &(MetricId, Measured)| match measured {
            Measured::Counted(Values { before_lower, .. }) if *before_lower != Amount::ZERO => {
                Some((*id, *before_lower))
            }
            _ => None,
        };
        let before_lower: Vec<_> = unit.measured.iter().filter_map(of_metric).collect();
        if before_lower.is_empty() { Self::V2(unit) } else { Self::V3 { unit, before_lower } }
    }
}

/// What a unit was exposed to and did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Unit {
    pub(crate) exposure: Exposure,
    pub(crate) stratum: Stratum,
    /// The strand that was exposed.
    pub(crate) strand: StrandId,
    pub(crate) decision: Option<u128>,
    /// It was exposed to several arms, and counts for none.
    pub(crate) is_several: bool,
    pub(crate) measured: Vec<(MetricId, Measured)>,
}

impl From<StoredUnit> for Unit {
    fn from(stored: StoredUnit) -> Self {
        match stored {
            StoredUnit::V1 { exposure, strand, decision, is_several, measured } => {
                let stratum = Stratum::ONLY;
                Self { exposure, stratum, strand, decision, is_several, measured }
            }
            StoredUnit::V2(unit) => unit,
            StoredUnit::V3 { mut unit, before_lower: stored } => {
                for (id, measured) in &mut unit.measured {
                    let amount = stored.iter().find(|(of, _)| of == id).map(|(_, amount)| *amount);
                    if let (Measured::Counted(values), Some(amount)) = (measured, amount) {
                        values.before_lower = amount;
                    }
                }
                unit
            }
        }
    }
}

impl Unit {
    /// The decision that exposed the unit.
    pub(super) fn decision(&self) -> Option<(StrandId, Timestamp, DecisionId)> {
        self.decision.map(|id| (self.strand, self.exposure.at, DecisionId(id)))
    }
}

/// How many units of a stratum were exposed to an arm by one version of the definition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum StoredCount {
    /// Before there were strata.
    V1 {
        experience: Key,
        arm: Arm,
        version: u64,
        units: u64,
        several: u64,
    },
    V2 {
        experience: Key,
        arm: Arm,
        version: u64,
        stratum: Stratum,
        units: u64,
        several: u64,
    },
}

/// What the units of an arm and a stratum did by a metric.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum StoredTally {
    /// Before there were strata.
    V1 {
        experience: Key,
        arm: Arm,
        metric: MetricId,
        tally: Tally,
    },
    V2 {
        experience: Key,
        arm: Arm,
        metric: MetricId,
        stratum: Stratum,
        tally: Tally,
    },
    /// With what the lower part of a ratio was before the exposure.
    V3 {
        experience: Key,
        arm: Arm,
        metric: MetricId,
        stratum: Stratum,
        tally: Tally,
        history: History,
    },
}

/// How far everyone has been measured by the metrics with this fingerprint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum StoredWalk {
    /// `from` is `None` once that is everyone.
    V1 { fingerprint: u64, from: Option<Vec<u8>> },
}

/// The key of a strand's exposures.
pub(super) fn strand(strand: StrandId) -> Vec<u8> {
    [&lane_of(strand)[..], &[STRAND], &strand.born.0.to_be_bytes()].concat()
}

/// The prefix of all exposures of a lane.
pub(super) fn strands(lane: model::Lane) -> Vec<u8> {
    [&lane.get().to_be_bytes()[..], &[STRAND]].concat()
}

/// Reads such a key.
pub(super) fn parse_strand(key: &[u8]) -> Option<StrandId> {
    let is_strand = key.get(2) == Some(&STRAND) && key.len() == 2 + 1 + 8;
    is_strand.then(|| strand_at_end(key)).flatten()
}

/// The key of what a person did after an experience.
pub(super) fn unit(experience: &Key, head: StrandId) -> Vec<u8> {
    [&units(experience, lane_of(head))[..], &head.born.0.to_be_bytes()].concat()
}

/// The prefix of all of a lane.
pub(super) fn units(experience: &Key, lane: [u8; 2]) -> Vec<u8> {
    [&lane[..], &[UNIT], &number(experience).to_be_bytes()].concat()
}

/// Reads the head in the key of a unit.
pub(super) fn parse_unit(key: &[u8]) -> Option<StrandId> {
    let is_unit = key.get(2) == Some(&UNIT) && key.len() == 2 + 1 + 8 + 8;
    is_unit.then(|| strand_at_end(key)).flatten()
}

/// The prefix of all sums.
pub(super) const ALL_SUMS: [u8; 1] = [SUMS];

/// What units are counted by: what they got, by which version of the definition, and among whom they were divided.
pub(super) type Exposing = (Arm, u64, Stratum);
/// What tallies are kept by: what units got, and among whom they were divided.
pub(crate) type ArmStratum = (Arm, Stratum);

/// Where sums stand: as they are now, or as they were at the end of a day.
#[derive(Clone, Copy, Debug)]
pub(super) enum At {
    Now,
    Day(u32),
}

fn sums(experience: &Key, at: At) -> Vec<u8> {
    let number = number(experience).to_be_bytes();
    match at {
        At::Now => [&[SUMS], &number[..]].concat(),
        At::Day(day) => [&[PICTURE], &number[..], &day.to_be_bytes()].concat(),
    }
}

/// The key of a count.
pub(super) fn count(experience: &Key, at: At, (arm, version, stratum): &Exposing) -> Vec<u8> {
    let sums = sums(experience, at);
    [&sums[..], &[COUNT], &version.to_be_bytes(), &named(arm, *stratum)].concat()
}

/// The key of a tally.
pub(super) fn tally(
    experience: &Key,
    at: At,
    metric: MetricId,
    (arm, stratum): &ArmStratum,
) -> Vec<u8> {
    let sums = sums(experience, at);
    [&sums[..], &[TALLY], &metric.0.to_be_bytes(), &named(arm, *stratum)].concat()
}

/// The prefix of all pictures of an experience.
pub(super) fn pictures(experience: &Key) -> Vec<u8> {
    [&[PICTURE], &number(experience).to_be_bytes()[..]].concat()
}

/// Reads the day in the key of a picture.
pub(super) fn parse_day(key: &[u8]) -> Option<u32> {
    key.get(9..13)?.try_into().ok().map(u32::from_be_bytes)
}

/// Whether the key is that of a tally, among the sums of an instant.
pub(super) fn is_tally(key: &[u8]) -> bool {
    let place = if key.first() == Some(&PICTURE) { 13 } else { 9 };
    key.get(place) == Some(&TALLY)
}

/// An arm in a key, and a stratum where there are several: no text of a key holds the byte that parts them.
fn named(arm: &Arm, stratum: Stratum) -> Vec<u8> {
    let kind = match arm {
        Arm::Variant(_) => 0,
        Arm::Holdout => 1,
        Arm::SharedHoldout => 2,
    };
    let arm = [&[kind], arm.to_string().as_bytes()].concat();
    let Stratum { policy, cell } = stratum;
    match stratum {
        Stratum::ONLY => arm,
        _ => [&arm[..], &[0], &policy.to_be_bytes(), &cell.to_be_bytes()].concat(),
    }
}

/// Whom to look at at an instant.
pub(super) fn due(at: Timestamp, head: StrandId) -> Vec<u8> {
    [&DUE[..], &keys::ordered(at), &keys::strand(head)].concat()
}

/// The first key of those that are due after `now`.
pub(super) fn due_before(now: Timestamp) -> Vec<u8> {
    [&DUE[..], &keys::ordered(Timestamp(now.0.saturating_add(1)))].concat()
}

/// Reads who is due.
pub(super) fn parse_due(key: &[u8]) -> Option<StrandId> {
    keys::parse_strand(key.get(9..)?)
}

/// That the sums of an experience are to be added up anew.
pub(super) fn recount(experience: &Key) -> Vec<u8> {
    [&[RECOUNT], experience.as_str().as_bytes()].concat()
}

/// The experiences whose sums are to be added up anew.
pub(super) fn recounts(reader: &dyn Reader) -> Result<Vec<Key>, RowError> {
    let mut found = Vec::new();
    let range = prefix_range(&[RECOUNT]).into_owned();
    reader.scan(Table::Measure, range, ScanOrder::Ascending, &mut |key, _| {
        let text = key.get(1..).and_then(|text| std::str::from_utf8(text).ok());
        found.extend(text.and_then(|text| Key::from_stored(text).ok()));
        ControlFlow::Continue(())
    })?;
    Ok(found)
}

/// The walk as it is stored.
pub(super) fn walk(reader: &dyn Reader) -> Result<Option<StoredWalk>, RowError> {
    let row = reader.get(Table::Measure, &WALK)?;
    Ok(row.map(|row| record::decode(&row, "walk")).transpose()?)
}

/// The day of an instant, in days since 1970 (UTC).
pub(super) fn day(at: Timestamp) -> u32 {
    u32::try_from(at.0.div_euclid(86_400_000)).unwrap_or_default()
}

/// The last millisecond of a day.
pub(super) fn end_of_day(day: u32) -> Timestamp {
    Timestamp((i64::from(day) + 1) * 86_400_000 - 1)
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use experiment::Unread;
    use model::{Seq, hash};
    use serde::de::DeserializeOwned;

    use super::*;
    use crate::record::{decode, encode};

    /// The record is written as it always was, and reads back.
    fn pinned<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(
        record: &T,
        expected: &Expect,
    ) {
        let bytes = encode(record);
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        expected.assert_eq(&hex);
        assert_eq!(decode::<T>(&bytes, "record").unwrap(), *record);
    }

    fn head() -> StrandId {
        let identifier = model::Identifier::new(model::IdentifierType::UserId, "u1");
        StrandId { born: Seq(77), lane: hash::lane(&identifier) }
    }

    fn exposure() -> Exposure {
        let arm = Arm::Variant("b".parse().unwrap());
        Exposure { at: Timestamp(1_790_000_000_000), arm, version: 3 }
    }

    fn measured() -> [Measured; 2] {
        let amount = |number| Amount::of(number).unwrap();
        let (upper, lower, before) = (amount(19.99), amount(1.0), amount(-2.5));
        let values = Values { upper, lower, before, ..Values::default() };
        [Measured::Counted(values), Measured::Left(Unread::Withheld)]
    }

    fn tallied() -> Tally {
        let mut tally = Tally::default();
        measured().iter().for_each(|measured| tally.add(measured));
        // What was stored before ratios had a history.
        tally.with_history(History::default())
    }

    fn experience() -> Key {
        "two".parse().unwrap()
    }

    const STRATUM: Stratum = Stratum { policy: 300, cell: 5 };

    #[test]
    fn records_are_pinned() {
        let (head, exposure, stratum) = (head(), exposure(), STRATUM);
        let stored = StoredExposure { exposure: exposure.clone(), decision: Some(9), stratum };
        let exposures = vec![(experience(), vec![stored])];
        pinned(
            &StoredStrand::V2(Strand { head, exposures }),
            &expect!["014d8202010374776f0180b083c59868000162030109ac0205"],
        );
        let [counted, left] = measured();
        let unit = Unit {
            exposure,
            stratum,
            strand: head,
            decision: None,
            is_several: false,
            measured: vec![(MetricId(5), counted), (MetricId(6), left)],
        };
        pinned(
            &StoredUnit::V2(unit),
            &expect!["0180b083c5986800016203ac02054d82020000020500e097881380897abf96b102060101"],
        );
        let (experience, metric) = (experience(), MetricId(5));
        let count = StoredCount::V2 {
            experience: experience.clone(),
            arm: Arm::Holdout,
            version: 3,
            stratum,
            units: 12,
            several: 1,
        };
        pinned(&count, &expect!["010374776f0103ac02050c01"]);
        let (arm, tally) = (Arm::SharedHoldout, tallied());
        pinned(
            &StoredTally::V2 { experience, arm, metric, stratum, tally },
            &expect![
                "010374776f0205ac0205010100010000e097881380849ae0e4dbb50180897a80c0a8ca9a3a80f0ca8dc98b09bf96b1028090bd90e6eb02ff97fbe1f6dc16"
            ],
        );
        pinned(
            &StoredWalk::V1 { fingerprint: 7, from: Some(vec![1, 2]) },
            &expect!["000701020102"],
        );
    }

    #[test]
    fn records_without_strata_are_read() {
        let (head, exposure) = (head(), exposure());
        let exposures = vec![(experience(), vec![(exposure.clone(), Some(9))])];
        let strand = StoredStrand::V1 { head, exposures };
        pinned(&strand, &expect!["004d8202010374776f0180b083c59868000162030109"]);
        let stratum = Stratum::ONLY;
        let known = StoredExposure { exposure: exposure.clone(), decision: Some(9), stratum };
        let exposures = vec![(experience(), vec![known])];
        assert_eq!(Strand::from(strand), Strand { head, exposures });
        let [counted, left] = measured();
        let unit = StoredUnit::V1 {
            exposure,
            strand: head,
            decision: None,
            is_several: false,
            measured: vec![(MetricId(5), counted), (MetricId(6), left)],
        };
        pinned(
            &unit,
            &expect!["0080b083c59868000162034d82020000020500e097881380897abf96b102060101"],
        );
        assert_eq!(Unit::from(unit).stratum, Stratum::ONLY);
        let (experience, metric) = (experience(), MetricId(5));
        let count = StoredCount::V1 {
            experience: experience.clone(),
            arm: Arm::Holdout,
            version: 3,
            units: 12,
            several: 1,
        };
        pinned(&count, &expect!["000374776f01030c01"]);
        let (arm, tally) = (Arm::SharedHoldout, tallied());
        pinned(
            &StoredTally::V1 { experience, arm, metric, tally },
            &expect![
                "000374776f0205010100010000e097881380849ae0e4dbb50180897a80c0a8ca9a3a80f0ca8dc98b09bf96b1028090bd90e6eb02ff97fbe1f6dc16"
            ],
        );
    }

    #[test]
    fn what_was_before_below_a_ratio_is_stored_beside_the_rest() {
        let (head, exposure, stratum) = (head(), exposure(), STRATUM);
        let [counted, left] = measured();
        let unit = |measured: Measured| Unit {
            exposure: exposure.clone(),
            stratum,
            strand: head,
            decision: None,
            is_several: false,
            measured: vec![(MetricId(5), measured), (MetricId(6), left)],
        };
        assert!(matches!(StoredUnit::of(unit(counted)), StoredUnit::V2(_)));
        let Measured::Counted(values) = counted else { unreachable!() };
        let before_lower = Amount::of(3.0).unwrap();
        let known = unit(Measured::Counted(Values { before_lower, ..values }));
        let stored = StoredUnit::of(known.clone());
        let bytes = encode(&stored);
        expect![
            "0280b083c5986800016203ac02054d82020000020500e097881380897abf96b1020601010105809bee02"
        ]
        .assert_eq(&bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
        assert_eq!(Unit::from(decode::<StoredUnit>(&bytes, "unit").unwrap()), known);
        let mut tally = tallied();
        tally.add(&known.measured[0].1);
        let (experience, arm, metric) = (experience(), Arm::Holdout, MetricId(5));
        let history = tally.history();
        let stored =
            StoredTally::V3 { experience, arm, metric, stratum, tally: tally.clone(), history };
        let bytes = encode(&stored);
        expect!["020374776f0105ac0205020200010000c0af90268088b4c0c9b7eb028092f4018080d194b57480e0959b929712fface20480a0faa0ccd705ffaff6c3edb92d809bee0280c0ec9cef8b04ffdfafadc7b40380d0e0a8dba21bff9fe5b9c2910180c0f9decfae01"]
            .assert_eq(&bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
        let read = decode::<StoredTally>(&bytes, "tally").unwrap();
        let StoredTally::V3 { tally: read, history, .. } = read else { unreachable!() };
        assert_eq!(read.with_history(history), tally);
    }

    #[test]
    fn keys_are_read() {
        let head = head();
        assert_eq!(parse_unit(&unit_key(head)), Some(head));
        assert_eq!(parse_strand(&strand(head)), Some(head));
        assert_eq!(parse_due(&due(Timestamp(5), head)), Some(head));
        assert_eq!(day(end_of_day(20_000)), 20_000);
    }

    fn unit_key(head: StrandId) -> Vec<u8> {
        unit(&experience(), head)
    }
}
