//! Everything that is held about somebody, as one document in pieces.
//!
//! A person can have a million events, so the document is never in memory as a whole: only the places
//! of events are.

use std::{
    collections::{BTreeSet, VecDeque},
    sync::Arc,
};

use model::{ProfileId, Seq, StrandId, condition::Sight};
use serde_json::json;

use crate::{
    page::Pages as _,
    people::show::{self, Found},
    privacy::{self, RequestKind, receipt},
    sealed::RowError,
    state::Shared,
};

/// Events in one piece of the document: some hundred kilobytes at most.
const EVENTS_PER_PIECE: usize = 100;
/// Decisions in one piece.
const DECISIONS_PER_PIECE: usize = 100;

/// A document on its way out. It is text in JSON once all pieces are put together.
#[derive(Debug)]
pub struct Document {
    shared: Arc<Shared>,
    /// How much those may see who ask for it.
    sight: Sight,
    pieces: VecDeque<Piece>,
    has_failed: bool,
}

/// A piece that is still to be written.
#[derive(Debug)]
enum Piece {
    Text(String),
    Profile(StrandId),
    Events { places: Vec<Found>, is_first: bool },
    Decisions { head: StrandId, cursor: Option<String> },
}

impl Document {
    /// The document of a request for access; `None` when there is none.
    pub(crate) fn of(shared: Arc<Shared>, id: Seq, sight: Sight) -> Result<Option<Self>, RowError> {
        let record = privacy::read(&shared, id)?;
        let Some(record) = record.filter(|record| record.kind == RequestKind::Access) else {
            return Ok(None);
        };
        // They may have been merged, split or erased since.
        let mut heads = BTreeSet::new();
        for &(strand, _) in &record.strands {
            let page = shared.stored().page(strand);
            match page {
                Ok(page) => heads.extend(page.map(|page| page.meta().head)),
                Err(RowError::Unreadable(_)) => {}
                Err(error) => return Err(error),
            }
        }
        let request = receipt::shown(&shared, id, &record);
        let mut pieces =
            VecDeque::from([Piece::Text(format!("{{\"request\":{request},\"profiles\":["))]);
        for (place, &head) in heads.iter().enumerate() {
            let comma = if place == 0 { "" } else { "," };
            pieces.push_back(Piece::Text(format!("{comma}{{\"profile\":")));
            pieces.push_back(Piece::Profile(head));
            pieces.push_back(Piece::Text(",\"events\":[".to_owned()));
            let places = show::places(&shared, head)?;
            for (count, places) in places.chunks(EVENTS_PER_PIECE).enumerate() {
                let (places, is_first) = (places.to_vec(), count == 0);
                pieces.push_back(Piece::Events { places, is_first });
            }
            pieces.push_back(Piece::Text("],\"decisions\":[".to_owned()));
            pieces.push_back(Piece::Decisions { head, cursor: None });
            pieces.push_back(Piece::Text("]}".to_owned()));
        }
        pieces.push_back(Piece::Text("]}\n".to_owned()));
        Ok(Some(Self { shared, sight, pieces, has_failed: false }))
    }

    /// The next piece; `None` after the last, and after an error: then the document has no end.
    pub fn next_piece(&mut self) -> Option<Result<String, crate::EngineError>> {
        if self.has_failed {
            return None;
        }
        let piece = self.pieces.pop_front()?;
        let written = self.write(piece);
        self.has_failed = written.is_err();
        Some(written.map_err(crate::EngineError::from))
    }

    fn write(&mut self, piece: Piece) -> Result<String, RowError> {
        let snapshot = self.shared.registry.snapshot_full();
        match piece {
            Piece::Text(text) => Ok(text),
            Piece::Profile(head) => {
                let shown = show::profile(&self.shared, &snapshot, ProfileId(head), self.sight)?;
                // Events follow, all of them.
                let mut shown = shown.unwrap_or_else(|| json!({"erased": true}));
                if let Some(members) = shown.as_object_mut() {
                    members.remove("timeline");
                }
                Ok(shown.to_string())
            }
            Piece::Events { places, is_first } => {
                let mut text = String::new();
                for (count, place) in places.iter().enumerate() {
                    if !is_first || count > 0 {
                        text.push(',');
                    }
                    let mut event = show::event(&self.shared, &snapshot, place)?;
                    if self.sight != Sight::Full {
                        show::mask(&snapshot.traits, &mut event);
                    }
                    text.push_str(&event.to_string());
                }
                Ok(text)
            }
            Piece::Decisions { head, cursor } => self.decisions(head, cursor),
        }
    }

    fn decisions(&mut self, head: StrandId, cursor: Option<String>) -> Result<String, RowError> {
        let Some(profile) = show::component(&self.shared, ProfileId(head))? else {
            return Ok(String::new());
        };
        let part = (cursor.as_deref(), DECISIONS_PER_PIECE);
        let page = show::decisions(&self.shared, &profile, self.sight, part)?;
        let mut text = String::new();
        for (count, decision) in page.items.iter().enumerate() {
            if cursor.is_some() || count > 0 {
                text.push(',');
            }
            text.push_str(&decision.to_string());
        }
        if page.next_cursor.is_some() {
            self.pieces.push_front(Piece::Decisions { head, cursor: page.next_cursor });
        }
        Ok(text)
    }
}
