//! The list: filters, order, and a cursor that comings and goings do not confuse.

use super::catalog::{Known, Place};
use super::{Error, Result, Service, Sight, cursor};
use crate::access::Principal;
use crate::container::status::Status;

/// What a list is to hold.
#[derive(Clone, Debug, Default)]
pub struct ListQuery {
    /// Words for statuses; none: all.
    pub status: Option<String>,
    /// Tags that all have to be there.
    pub tags: Vec<String>,
    /// A part of the name.
    pub name: Option<String>,
    /// A part of the image.
    pub image: Option<String>,
    /// The most containers of a page.
    pub limit: usize,
    /// Where the page begins: after the container that the cursor names.
    pub cursor: Option<String>,
}

/// One page of a list.
#[derive(Clone, Debug)]
pub struct Page {
    /// The containers.
    pub containers: Vec<Sight>,
    /// Where the next page begins; none: this is the last.
    pub next_cursor: Option<String>,
    /// How many containers there are on all pages.
    pub total: usize,
}

impl Service {
    /// One page of the containers that the query asks for and the caller knows of, from memory.
    pub fn list(&self, principal: &Principal, query: &ListQuery) -> Result<Page> {
        let statuses = query.status.as_deref().map(parse_statuses).transpose()?;
        let after = query.cursor.as_deref().map(cursor::read).transpose()?;
        let mut page = Page { containers: Vec::new(), next_cursor: None, total: 0 };
        let mut last: Option<Place> = None;
        for known in self.seen_by(principal) {
            if !query.asks_for(&known) {
                continue;
            }
            let place = known.place();
            let sight = self.sight(principal, known);
            if statuses.as_ref().is_some_and(|statuses| !statuses.contains(&sight.state.status)) {
                continue;
            }
            page.total += 1;
            if after.is_some_and(|after| place <= after) {
                continue;
            }
            if page.containers.len() < query.limit {
                last = Some(place);
                page.containers.push(sight);
            } else if page.next_cursor.is_none() {
                page.next_cursor = last.map(cursor::write);
            }
        }
        Ok(page)
    }
}

impl ListQuery {
    /// Whether a container belongs into the list by what its file says; its status is another question.
    #[must_use]
    pub fn asks_for(&self, known: &Known) -> bool {
        let Ok(definition) = &known.definition else {
            return self.tags.is_empty() && self.name.is_none() && self.image.is_none();
        };
        let spec = &definition.spec;
        let has_part = |text: Option<&str>, part: &Option<String>| {
            part.as_ref().is_none_or(|part| text.is_some_and(|text| text.contains(part.as_str())))
        };
        self.tags.iter().all(|tag| spec.tags.contains(tag))
            && has_part(spec.name.as_deref(), &self.name)
            && has_part(Some(&spec.image), &self.image)
    }
}

fn parse_statuses(words: &str) -> Result<Vec<Status>> {
    const RULE: &str = "has to be a comma list of created, running, paused, restarting, exited, dead, missing, \
                        stopped (created, exited and dead) or all";
    let mut statuses = Vec::new();
    for word in words.split(',').map(str::trim) {
        match word {
            "all" => statuses.extend(Status::ALL),
            "stopped" => statuses.extend([Status::Created, Status::Exited, Status::Dead]),
            word => {
                statuses
                    .push(Status::parse(word).ok_or_else(|| Error::invalid_query("status", words, RULE))?);
            }
        }
    }
    Ok(statuses)
}
