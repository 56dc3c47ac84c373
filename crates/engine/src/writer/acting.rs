//! Operators' acts on people: each is prepared, folded and committed by itself, on the writer's thread.

use std::sync::Arc;

use compact_str::CompactString;
use model::{ActId, ProfileId};
use tokio::sync::oneshot;

use crate::{
    acts::{self, ActError, Ask, Done, prepare::Prepared},
    definitions::AuditEntry,
    fold::{Fold, Ground},
    proposals::ProposalId,
    record::{Deed, StoredAct},
    sealed::RowError,
    writer::{Writer, flight::Above},
};

/// An act that is asked for, and who waits for it.
#[derive(Debug)]
pub(crate) struct Acting {
    /// Its name, drawn at random.
    pub(crate) id: ActId,
    pub(crate) ask: Ask,
    /// The name of the operator's token.
    pub(crate) actor: CompactString,
    pub(crate) reply: oneshot::Sender<Result<Done, ActError>>,
}

impl Writer {
    /// Does one act, and answers once it is durable and visible.
    pub(super) fn act(&mut self, acting: Acting) {
        let Acting { id, ask, actor, reply } = acting;
        // A caller that has gone away needs no answer.
        drop(reply.send(self.prepare_and_fold(id, &ask, actor)));
    }

    fn prepare_and_fold(
        &mut self,
        id: ActId,
        ask: &Ask,
        actor: CompactString,
    ) -> Result<Done, ActError> {
        // What was folded before and could not be committed has been answered, and is not what is stored.
        self.settle().ok();
        let shared = &self.shared;
        let Prepared { deed, proposals } =
            acts::prepare::deed(&shared.stored(), &shared.keys, &shared.rules, ask)?;
        let subject = ask.subject();
        let act = StoredAct::V1 { actor: actor.clone(), deed };
        let audit = AuditEntry {
            at: self.now.max(self.shared.clock.now()),
            actor,
            action: CompactString::const_new(ask.action()),
            subject,
            // Not what was split: the log outlives the person.
            change: Some(serde_json::json!({"act": id.to_string()})),
        };
        let profiles = self.fold_act(id, &act, Some(audit))?;
        Ok(Done { act: id, profiles, proposals })
    }

    /// Folds and commits an act as the log has it; returns the people whom it touched.
    pub(crate) fn fold_act(
        &mut self,
        id: ActId,
        act: &StoredAct,
        audit: Option<AuditEntry>,
    ) -> Result<Vec<ProfileId>, ActError> {
        self.settle().ok();
        let shared = Arc::clone(&self.shared);
        let snapshot = shared.registry.snapshot_full();
        let now = self.now.max(shared.clock.now());
        let above = Above { flight: None, store: &*shared.store };
        let mut fold = Fold::new(Ground::of(&shared, &snapshot, above, now), self.next_seq);
        let heads = acts::fold::act(&mut fold, id, act)?;
        let StoredAct::V1 { deed, .. } = act;
        if let Deed::Merge { proposal, .. } = deed
            && heads.len() != 1
        {
            return Err(ActError::CannotMerge(ProposalId(*proposal)));
        }
        fold.people()?;
        if let Some(entry) = audit {
            for (table, key, value) in shared.audit.writes(entry).map_err(RowError::from)? {
                fold.pending.put(table, key, value.unwrap_or_default());
            }
        }
        self.commit_fold(fold)?;
        Ok(heads.into_iter().map(ProfileId).collect())
    }
}
