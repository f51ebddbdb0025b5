//! Prune: the containers that no one needs any more, each deleted in its own turn.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use jiff::Timestamp;

use super::{Container, DeleteOptions, Error, Result, Service};
use crate::access::Principal;
use crate::codes::Code;
use crate::container::Cuid;
use crate::container::status::Status;

/// How many containers are deleted side by side.
const SIDE_BY_SIDE: usize = 4;
/// What is deleted when the request does not say.
const DEFAULT: [Status; 4] = [Status::Created, Status::Exited, Status::Dead, Status::Missing];

/// Which containers are to go.
#[derive(Clone, Debug, Default)]
pub struct PruneQuery {
    /// Words for statuses in comma lists; none: all of those that are not up.
    pub status: Vec<String>,
    /// How long ago they have to have ended, or where they never ran to have been created.
    pub older_than: Option<Duration>,
    /// Tags that all have to be there.
    pub tags: Vec<String>,
    /// Their mounts stay.
    pub keep_files: bool,
}

/// What became of a prune.
#[derive(Clone, Debug, Default)]
pub struct Pruned {
    /// The containers that are gone.
    pub deleted: Vec<Cuid>,
    /// Those that should be and are not, and why.
    pub failed: Vec<(Cuid, Error)>,
}

/// The rules of one prune, checked.
#[derive(Clone, Debug)]
struct Rules {
    statuses: Vec<Status>,
    before: Option<Timestamp>,
    tags: Vec<String>,
}

impl Service {
    /// Deletes what the query asks for and the caller knows of, in the order of creation; one that cannot be deleted does not keep the
    /// others. Those whose compose file cannot be read stay: a person was at them.
    pub async fn prune(self: &Arc<Self>, principal: &Principal, query: PruneQuery) -> Result<Pruned> {
        let rules = Rules::parse(&query)?;
        self.engine_must_answer()?;
        let condemned: Vec<Cuid> = self
            .seen_by(principal)
            .iter()
            .filter(|known| rules.apply_to(&self.whole(known)))
            .map(|known| known.cuid)
            .collect();
        let options = DeleteOptions { force: false, keep_files: query.keep_files };
        let deletions =
            condemned.into_iter().map(|cuid| self.prune_one(principal, cuid, (rules.clone(), options)));
        let mut results = futures_util::stream::iter(deletions).buffered(SIDE_BY_SIDE);
        let mut pruned = Pruned::default();
        while let Some((cuid, result)) = results.next().await {
            match result {
                Ok(true) => pruned.deleted.push(cuid),
                Ok(false) => {}
                Err(error) => pruned.failed.push((cuid, error)),
            }
        }
        Ok(pruned)
    }

    /// Deletes one, if it is still to be deleted when its turn comes; says whether it was.
    async fn prune_one(
        self: &Arc<Self>,
        principal: &Principal,
        cuid: Cuid,
        (rules, options): (Rules, DeleteOptions),
    ) -> (Cuid, Result<bool>) {
        let asks = principal.clone();
        let deletion = self.in_turn(cuid, move |change| async move {
            let state = change.state().await?;
            let known = change.service.catalog.get(cuid).filter(|known| Service::sees(&asks, known));
            let Some(definition) = known.map(|known| known.definition.clone()) else { return Ok(false) };
            if !rules.apply_to(&Container { cuid, definition, state }) {
                return Ok(false);
            }
            change.delete(options).await.map(|()| true)
        });
        match deletion.await {
            Ok((is_deleted, _)) => (cuid, Ok(is_deleted)),
            // Someone else was faster.
            Err(error) if error.code == Code::ContainerNotFound => (cuid, Ok(false)),
            Err(error) => (cuid, Err(error)),
        }
    }
}

impl Rules {
    fn parse(query: &PruneQuery) -> Result<Self> {
        let mut statuses = Vec::new();
        for words in &query.status {
            for word in words.split(',').map(str::trim) {
                match (word, Status::parse(word)) {
                    ("stopped", _) => statuses.extend([Status::Created, Status::Exited, Status::Dead]),
                    (_, Some(status)) if !status.is_up() => statuses.push(status),
                    _ => return Err(Error::invalid_query("status", words, RULE)),
                }
            }
        }
        if query.status.is_empty() {
            statuses.extend(DEFAULT);
        }
        let before = query.older_than.map(|age| Timestamp::now().checked_sub(age).unwrap_or(Timestamp::MIN));
        Ok(Self { statuses, before, tags: query.tags.clone() })
    }

    fn apply_to(&self, container: &Container) -> bool {
        let (Ok(definition), state) = (&container.definition, &container.state) else { return false };
        // When one that is missing has ended, no one knows: it may have run a moment ago.
        let is_of_unknown_age = state.status == Status::Missing && state.finished_at.is_none();
        if is_of_unknown_age && self.before.is_some() {
            return false;
        }
        let since = state.finished_at.as_deref().unwrap_or(&definition.created_at);
        self.statuses.contains(&state.status)
            && self.tags.iter().all(|tag| definition.spec.tags.contains(tag))
            && self.before.is_none_or(|before| since.parse::<Timestamp>().is_ok_and(|since| since <= before))
    }
}

const RULE: &str = "has to be a comma list of created, exited, dead, missing and stopped (created, exited and \
                    dead): stop a container that is up before it is pruned";
