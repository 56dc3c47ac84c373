//! A store that fails on demand, to show that what is built on a store survives it.

use std::{collections::BTreeMap, io, sync::Arc};

use bytes::Bytes;
use parking_lot::Mutex;

use crate::{Batch, KeyRange, Reader, ScanOrder, Snapshot, Store, StoreError, Table, Usage, Visit};

/// What can be made to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operation {
    /// A point read, of the store or a snapshot.
    Get,
    /// A scan, of the store or a snapshot. It fails before the first row.
    Scan,
    /// Opening a snapshot.
    Snapshot,
    /// A commit.
    Commit,
}

/// How it fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// An input/output error; nothing is applied.
    Io,
    /// The disk is full; nothing is applied, and the next call finds space again.
    Full,
    /// A commit fails half-way and the batch will *not* be there after a restart. Later commits
    /// fail until [`Faulty::restart`].
    PoisonBefore,
    /// A commit fails half-way and the batch *will* be there. Later commits fail until
    /// [`Faulty::restart`].
    PoisonAfter,
}

/// A store that passes calls on to another one, except those that are to fail. Clones share the
/// plan.
#[derive(Clone, Debug)]
pub struct Faulty<S> {
    store: S,
    plan: Arc<Mutex<Plan>>,
}

#[derive(Debug, Default)]
struct Plan {
    /// The faults to come, by operation and its count.
    faults: BTreeMap<(Operation, u64), Fault>,
    calls: BTreeMap<Operation, u64>,
    /// What every call of an operation does until it is set otherwise.
    standing: BTreeMap<Operation, Fault>,
    random: Option<Random>,
    is_poisoned: bool,
}

/// Faults drawn from a seed: the same seed and calls give the same faults.
#[derive(Clone, Copy, Debug)]
struct Random {
    seed: u64,
    per_mille: u64,
}

impl<S> Faulty<S> {
    /// Wraps `store`; nothing fails until it is asked to.
    pub fn new(store: S) -> Self {
        Self { store, plan: Arc::default() }
    }

    /// Makes the `nth` call of `operation` from now fail; 1 is the next one.
    pub fn inject(&self, operation: Operation, nth: u64, fault: Fault) {
        let mut plan = self.plan.lock();
        let call = plan.calls.get(&operation).copied().unwrap_or_default() + nth;
        plan.faults.insert((operation, call), fault);
    }

    /// From now on makes `per_mille` of a thousand calls fail, drawn from `seed`: reads by
    /// [`Fault::Io`], commits by any fault.
    pub fn inject_randomly(&self, seed: u64, per_mille: u16) {
        self.plan.lock().random = Some(Random { seed, per_mille: u64::from(per_mille) });
    }

    /// From now on makes every call of `operation` fail, or none by this. Unlike
    /// [`inject`](Self::inject) it does not depend on who calls first.
    pub fn set_failing(&self, operation: Operation, fault: Option<Fault>) {
        let standing = &mut self.plan.lock().standing;
        match fault {
            Some(fault) => standing.insert(operation, fault),
            None => standing.remove(&operation),
        };
    }

    /// Ends all planned faults and accepts commits again, as a restarted process would.
    pub fn restart(&self) {
        let mut plan = self.plan.lock();
        *plan = Plan { calls: std::mem::take(&mut plan.calls), ..Plan::default() };
    }

    /// How often `operation` was called, failures included.
    pub fn calls(&self, operation: Operation) -> u64 {
        self.plan.lock().calls.get(&operation).copied().unwrap_or_default()
    }

    /// The store below.
    pub fn inner(&self) -> &S {
        &self.store
    }
}

impl Plan {
    /// Counts a call and tells whether it is to fail.
    fn next(&mut self, operation: Operation) -> Option<Fault> {
        let calls = self.calls.entry(operation).or_default();
        *calls += 1;
        let call = *calls;
        let planned = self.faults.remove(&(operation, call));
        let planned = planned.or_else(|| self.standing.get(&operation).copied());
        planned.or_else(|| self.random.and_then(|random| random.draw(operation, call)))
    }
}

impl Random {
    fn draw(self, operation: Operation, call: u64) -> Option<Fault> {
        let draw = mix(self.seed ^ mix(call.wrapping_mul(4).wrapping_add(operation as u64)));
        if draw % 1_000 >= self.per_mille {
            return None;
        }
        Some(match (operation, (draw >> 32) % 4) {
            (Operation::Commit, 1) => Fault::Full,
            (Operation::Commit, 2) => Fault::PoisonBefore,
            (Operation::Commit, 3) => Fault::PoisonAfter,
            _ => Fault::Io,
        })
    }
}

/// The finaliser of SplitMix64 (Steele, Lea, Flood 2014): spreads a counter over all bits.
fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

fn error(fault: Fault) -> StoreError {
    match fault {
        Fault::Io => StoreError::Io {
            what: "pass an injected fault",
            source: io::Error::other("injected fault"),
        },
        Fault::Full => StoreError::Full { free_bytes: 0, reserve_bytes: 0 },
        Fault::PoisonBefore | Fault::PoisonAfter => StoreError::Poisoned,
    }
}

fn check_read(plan: &Mutex<Plan>, operation: Operation) -> Result<(), StoreError> {
    plan.lock().next(operation).map_or(Ok(()), |fault| Err(error(fault)))
}

impl<S: Store> Reader for Faulty<S> {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        check_read(&self.plan, Operation::Get)?;
        self.store.get(table, key)
    }

    fn scan(
        &self,
        table: Table,
        range: KeyRange<'_>,
        order: ScanOrder,
        visit: &mut Visit<'_>,
    ) -> Result<(), StoreError> {
        check_read(&self.plan, Operation::Scan)?;
        self.store.scan(table, range, order, visit)
    }
}

impl<S: Store> Store for Faulty<S> {
    fn snapshot(&self) -> Result<Box<dyn Snapshot>, StoreError> {
        check_read(&self.plan, Operation::Snapshot)?;
        let view = self.store.snapshot()?;
        Ok(Box::new(FaultySnapshot { view, plan: Arc::clone(&self.plan) }))
    }

    fn apply(&self, batch: &mut Batch) -> Result<(), StoreError> {
        let fault = {
            let mut plan = self.plan.lock();
            let fault = plan.next(Operation::Commit);
            if plan.is_poisoned {
                return Err(StoreError::Poisoned);
            }
            plan.is_poisoned = matches!(fault, Some(Fault::PoisonBefore | Fault::PoisonAfter));
            fault
        };
        match fault {
            None => self.store.apply(batch),
            Some(Fault::PoisonAfter) => {
                self.store.apply(batch)?;
                Err(StoreError::Poisoned)
            }
            Some(fault) => Err(error(fault)),
        }
    }

    fn usage(&self) -> Usage {
        let mut usage = self.store.usage();
        if self.plan.lock().is_poisoned {
            usage.poisoned = Some("an injected fault".to_owned());
        }
        usage
    }
}

/// A snapshot whose reads fail by the same plan.
#[derive(Debug)]
struct FaultySnapshot {
    view: Box<dyn Snapshot>,
    plan: Arc<Mutex<Plan>>,
}

impl Reader for FaultySnapshot {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        check_read(&self.plan, Operation::Get)?;
        self.view.get(table, key)
    }

    fn scan(
        &self,
        table: Table,
        range: KeyRange<'_>,
        order: ScanOrder,
        visit: &mut Visit<'_>,
    ) -> Result<(), StoreError> {
        check_read(&self.plan, Operation::Scan)?;
        self.view.scan(table, range, order, visit)
    }
}

impl Snapshot for FaultySnapshot {}
