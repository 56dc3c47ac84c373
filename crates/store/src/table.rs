//! Which tables there are, and how each is named on disk.

/// A table: one ordered map from bytes to bytes.
///
/// Every key of a table that holds rows of a person begins with the lane (`u16`, big endian), so
/// that a lane is a contiguous range of each of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
#[repr(u8)]
pub enum Table {
    /// The rows of strands: derived state, timelines, links.
    Strand,
    /// Routing identifiers and identifiers to the strand they lead to.
    Index,
    /// Messages already applied, for the dedup window.
    Dedup,
    /// Timers, by the instant they are due.
    Timer,
    /// The log of all inputs, by sequence number.
    Log,
    /// Definitions with their versions.
    Definition,
    /// What the engine keeps about itself: high-water marks, versions, checkpoints.
    Meta,
    /// Events that wait for an operator.
    Quarantine,
    /// Decision records.
    Decision,
    /// The watermarks of imports.
    Import,
    /// The bodies of events, by sequence number.
    Body,
    /// Who was exposed to what, what they did, and sums of that.
    Measure,
}

impl Table {
    /// All tables, in the order of their discriminants.
    pub const ALL: [Self; 12] = [
        Self::Strand,
        Self::Index,
        Self::Dedup,
        Self::Timer,
        Self::Log,
        Self::Definition,
        Self::Meta,
        Self::Quarantine,
        Self::Decision,
        Self::Import,
        Self::Body,
        Self::Measure,
    ];

    /// The name on disk. It is part of the stored format and never changes.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Strand => "strand",
            Self::Index => "index",
            Self::Dedup => "dedup",
            Self::Timer => "timer",
            Self::Log => "log",
            Self::Definition => "definition",
            Self::Meta => "meta",
            Self::Quarantine => "quarantine",
            Self::Decision => "decision",
            Self::Import => "import",
            Self::Body => "body",
            Self::Measure => "measure",
        }
    }

    /// The place of the table in [`Self::ALL`].
    pub const fn index(self) -> usize {
        self as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_table_stands_at_its_index_under_a_name_of_its_own() {
        for (index, table) in Table::ALL.into_iter().enumerate() {
            assert_eq!(table.index(), index);
        }
        let names: std::collections::BTreeSet<_> = Table::ALL.iter().map(|t| t.name()).collect();
        assert_eq!(names.len(), Table::ALL.len());
    }
}
