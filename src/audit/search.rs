//! What is asked of the log, and which lines answer it.

use jiff::{SignedDuration, Timestamp};
use memchr::memmem;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::action::Phase;
use super::line;
use super::page::Place;

/// Lines are in the order in which they were written. Of a clock that was set, their times are not: only after this
/// much is a time taken to say that all lines beyond are older or younger as well.
const CLOCKS_ERR_BY: SignedDuration = SignedDuration::from_hours(1);
/// How every line begins.
const TIME: &[u8] = b"{\"timestamp\":\"";

/// What is asked of the log.
#[derive(Clone, Debug, Default)]
pub struct Search {
    /// Nothing older.
    pub since: Option<Timestamp>,
    /// Nothing younger.
    pub until: Option<Timestamp>,
    /// One container.
    pub cuid: Option<String>,
    /// Actions, each the whole word or its beginning up to a dot; none: all.
    pub actions: Vec<String>,
    /// One user.
    pub user: Option<String>,
    /// One phase.
    pub phase: Option<Phase>,
    /// The most lines.
    pub limit: usize,
    /// Where the lines begin: before this place; none: at the youngest.
    pub before: Option<Place>,
}

/// A line of the log, as it was written. What an older version did not write is none.
#[derive(Clone, Debug, Deserialize)]
pub struct Line {
    /// When it was written.
    pub timestamp: String,
    /// The action's id.
    pub id: Option<String>,
    /// Which part of the action it is.
    #[serde(default)]
    pub phase: Phase,
    /// The request's id.
    pub request_id: String,
    /// What was done.
    pub action: String,
    /// Who.
    pub user: Option<String>,
    /// The token's id.
    pub token: Option<String>,
    /// The permission that the action needs.
    pub permission: Option<String>,
    /// The client's address.
    pub remote: Option<String>,
    /// The HTTP method.
    pub method: String,
    /// The path.
    pub path: String,
    /// The container.
    pub cuid: Option<String>,
    /// The status of the answer.
    pub status: Option<u16>,
    /// How long it took.
    pub duration_ms: Option<u64>,
    /// The error's word.
    pub error: Option<String>,
    /// The error's code.
    pub code: Option<String>,
    /// The error's message.
    pub message: Option<String>,
    /// What the action adds.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

/// What a line is to a search.
pub(super) enum Verdict {
    /// It answers it.
    Told(Box<Line>),
    /// It does not.
    Other,
    /// Nor does any line before it.
    TooOld,
}

/// A search, ready to look at lines.
pub(super) struct Sieve<'a> {
    search: &'a Search,
    /// Whether the caller may see lines of a container, or of none.
    sees: &'a dyn Fn(Option<&str>) -> bool,
    /// What stands in every line that is asked for. Looking for it is much faster than reading the line.
    parts: Vec<memmem::Finder<'static>>,
    action: memmem::Finder<'static>,
}

impl<'a> Sieve<'a> {
    pub(super) fn new(search: &'a Search, sees: &'a dyn Fn(Option<&str>) -> bool) -> Self {
        let phase = search.phase.filter(|phase| *phase != Phase::Outcome).map(Phase::as_str);
        let wanted = [("cuid", search.cuid.as_deref()), ("user", search.user.as_deref()), ("phase", phase)];
        let part = |(name, value): (&str, Option<&str>)| {
            let value = String::from_utf8(line::value(&value?).ok()?).ok()?;
            Some(memmem::Finder::new(&format!("\"{name}\":{value}")).into_owned())
        };
        let parts = wanted.into_iter().filter_map(part).collect();
        Self { search, sees, parts, action: memmem::Finder::new("\"action\":\"") }
    }

    /// Judges a line; those after it were judged before.
    pub(super) fn judge(&self, line: &[u8]) -> Verdict {
        if self.search.since.is_some() || self.search.until.is_some() {
            let Some(time) = time_of(line) else { return Verdict::Other };
            if self.search.since.is_some_and(|since| time < since) {
                let is_far = self.search.since.is_some_and(|since| time + CLOCKS_ERR_BY < since);
                return if is_far { Verdict::TooOld } else { Verdict::Other };
            }
            if self.search.until.is_some_and(|until| time > until) {
                return Verdict::Other;
            }
        }
        if !self.has_action(line) || self.parts.iter().any(|part| part.find(line).is_none()) {
            return Verdict::Other;
        }
        match serde_json::from_slice::<Line>(line) {
            Ok(read) if self.asks_for(&read) && (self.sees)(read.cuid.as_deref()) => {
                Verdict::Told(Box::new(read))
            }
            _ => Verdict::Other,
        }
    }

    /// Whether a file whose first line this is has nothing but lines that are too young.
    pub(super) fn is_beyond(&self, first: &[u8]) -> bool {
        let Some(until) = self.search.until else { return false };
        time_of(first).is_some_and(|time| time > until + CLOCKS_ERR_BY)
    }

    fn has_action(&self, line: &[u8]) -> bool {
        if self.search.actions.is_empty() {
            return true;
        }
        let Some(at) = self.action.find(line) else { return false };
        let rest = &line[at + self.action.needle().len()..];
        let end = memchr::memchr(b'"', rest).unwrap_or_default();
        self.is_asked(&rest[..end])
    }

    fn is_asked(&self, action: &[u8]) -> bool {
        let actions = &self.search.actions;
        let is_it = |asked: &String| {
            action.strip_prefix(asked.as_bytes()).is_some_and(|rest| rest.is_empty() || asked.ends_with('.'))
        };
        actions.is_empty() || actions.iter().any(is_it)
    }

    /// The same as was looked for in the bytes: in the right place.
    fn asks_for(&self, line: &Line) -> bool {
        let is_it = |asked: &Option<String>, has: &Option<String>| asked.is_none() || asked == has;
        is_it(&self.search.cuid, &line.cuid)
            && is_it(&self.search.user, &line.user)
            && self.search.phase.is_none_or(|phase| phase == line.phase)
            && self.is_asked(line.action.as_bytes())
    }
}

/// When a line was written.
fn time_of(line: &[u8]) -> Option<Timestamp> {
    let rest = line.strip_prefix(TIME)?;
    let end = memchr::memchr(b'"', rest)?;
    std::str::from_utf8(&rest[..end]).ok()?.parse().ok()
}
