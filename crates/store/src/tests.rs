//! The conformance suite on every store of this crate, and what is particular to each part.

mod embedded;
mod model;
mod repair;

use tempfile::TempDir;

use crate::{Faulty, Fjall, FjallOptions, Memory, conformance::Subject};

crate::store_conformance!(memory, Memory::new);
crate::store_conformance!(fjall, FjallSubject::new);
crate::store_conformance!(faulty_memory, || FaultySubject::new(Memory::new()));
crate::store_conformance!(faulty_fjall, || FaultySubject::new(FjallSubject::new()));
crate::fault_conformance!(failing_memory, Memory::new);
crate::fault_conformance!(failing_fjall, FjallSubject::new);

impl Subject for Memory {
    type Store = Self;

    fn store(&self) -> &Self {
        self
    }

    fn reopen(&mut self) {}
}

/// An embedded store in a directory of its own.
struct FjallSubject {
    // Before the directory, so that it is closed before its files go.
    store: Option<Fjall>,
    dir: TempDir,
}

impl FjallSubject {
    fn new() -> Self {
        let dir = TempDir::new().unwrap();
        Self { store: Some(open(&dir)), dir }
    }
}

impl Subject for FjallSubject {
    type Store = Fjall;

    fn store(&self) -> &Fjall {
        self.store.as_ref().unwrap()
    }

    fn reopen(&mut self) {
        self.store = None;
        self.store = Some(open(&self.dir));
    }
}

/// Another subject's store, wrapped but with no fault planned: the wrapper itself must change
/// nothing.
struct FaultySubject<T: Subject> {
    store: Option<Faulty<T::Store>>,
    subject: T,
}

impl<T: Subject> FaultySubject<T> {
    fn new(subject: T) -> Self {
        Self { store: Some(Faulty::new(subject.store().clone())), subject }
    }
}

impl<T: Subject> Subject for FaultySubject<T> {
    type Store = Faulty<T::Store>;

    fn store(&self) -> &Self::Store {
        self.store.as_ref().unwrap()
    }

    fn reopen(&mut self) {
        self.store = None;
        self.subject.reopen();
        self.store = Some(Faulty::new(self.subject.store().clone()));
    }
}

fn options() -> FjallOptions {
    FjallOptions { reserve_bytes: 0, ..FjallOptions::default() }
}

fn open(dir: &TempDir) -> Fjall {
    Fjall::open(dir.path(), options()).unwrap()
}
