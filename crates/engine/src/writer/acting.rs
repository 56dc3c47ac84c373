//! Operators' acts on people: each is prepared, folded and committed by itself, on the writer's thread.

use std::{collections::BTreeSet, sync::Arc};

use compact_str::CompactString;
use model::{ActId, ProfileId, StrandId};
use tokio::sync::oneshot;

use crate::{
    acts::{self, ActError, Ask, Done},
    definitions::AuditEntry,
    fold::{Fold, Ground},
    page::Pages,
    record::StoredAct,
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
        self.settle()?;
        let shared = &self.shared;
        let deed = acts::prepare::deed(&shared.stored(), &shared.keys, &shared.rules, ask)?;
        let subject = format!("profiles/{}", ask.profile());
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
        Ok(Done { act: id, profiles })
    }

    /// Folds and commits an act as the log has it; returns the people whom it touched.
    pub(crate) fn fold_act(
        &mut self,
        id: ActId,
        act: &StoredAct,
        audit: Option<AuditEntry>,
    ) -> Result<Vec<ProfileId>, RowError> {
        self.settle()?;
        let shared = Arc::clone(&self.shared);
        let snapshot = shared.registry.snapshot_full();
        let now = self.now.max(shared.clock.now());
        let above = Above { flight: None, store: &*shared.store };
        let mut fold = Fold::new(Ground::of(&shared, &snapshot, above, now), self.next_seq);
        let touched = acts::fold::act(&mut fold, id, act)?;
        fold.people()?;
        for (table, key, value) in
            audit.map(|entry| shared.audit.writes(entry)).transpose()?.into_iter().flatten()
        {
            fold.pending.put(table, key, value.unwrap_or_default());
        }
        let heads = heads(&fold, &touched)?;
        self.commit_fold(fold)?;
        Ok(heads.into_iter().map(ProfileId).collect())
    }
}

fn heads(fold: &Fold<'_>, strands: &BTreeSet<StrandId>) -> Result<BTreeSet<StrandId>, RowError> {
    strands.iter().map(|&strand| Ok(fold.pending.existing(strand)?.meta().head)).collect()
}
