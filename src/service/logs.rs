//! What a container prints: of all its incarnations, and as it comes.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use tokio::time::{Instant, sleep, timeout_at};

use super::log_position::Position;
use super::log_text::Text;
use super::streams::{End, Outlook, Sink, Source};
use super::{Error, Result, Service};
use crate::codes::Code;
use crate::container::Cuid;
use crate::engine::attach::ContainerFacts;
use crate::engine::logs::{LogQuery, LogReader, Message};
use crate::engine::{EngineError, StdStream};
use crate::kept_logs::Incarnation;

/// How long before a log is followed again that ended although its container runs.
const PAUSE: Duration = Duration::from_millis(100);
/// The longest `tail` that the engine is asked for, which may take memory for all of it at once.
const MOST_ENGINE_TAIL: u64 = 10_000;
/// How much later than the end that was asked for a message has to be for all later ones to be so too: the
/// two outputs are noted side by side.
const DISORDER: SignedDuration = SignedDuration::from_secs(2);
/// How long after the end that was asked for a line may come that was printed before it.
const LATE: SignedDuration = SignedDuration::from_millis(200);

/// Which part of a container's output is asked for.
#[derive(Clone, Copy, Debug)]
pub struct LogsQuery {
    /// Also what is still to come.
    pub follow: bool,
    /// The last messages only; a line over 16 KiB counts as several, as in `docker logs`.
    pub tail: Option<u64>,
    /// Nothing older.
    pub since: Option<Timestamp>,
    /// Nothing later.
    pub until: Option<Timestamp>,
    /// Standard output.
    pub out: bool,
    /// Standard error.
    pub err: bool,
}

/// Something that a container printed: a line, or a part of a long one.
#[derive(Clone, Debug)]
pub struct LogRecord {
    /// `stdout` or `stderr`.
    pub stream: &'static str,
    /// When it was printed.
    pub at: Timestamp,
    /// What, with its line end.
    pub bytes: Bytes,
}

impl Service {
    /// The output of a container, the oldest first. What cannot be read is refused before the first record.
    pub async fn logs(self: &Arc<Self>, id: &str, query: LogsQuery) -> Result<Source<LogRecord>> {
        let cuid = self.resolve(id)?;
        let place = self.parts.streams.take_place()?;
        let mut telling = Telling {
            service: Arc::clone(self),
            cuid,
            query,
            deadline: query.deadline(),
            is_followed: false,
            told: HashSet::new(),
            positions: HashMap::new(),
            skip: 0,
            engine_tail: None,
            texts: [Text::default(), Text::default()],
        };
        loop {
            let mut first = telling.round().await?;
            let found = telling.find_tail(&mut first).await;
            let log = if found.is_ok() { telling.open(&first).await } else { Ok(None) };
            match (found, log) {
                (Ok(()), Ok(log)) if log.is_some() || first.live.is_none() => {
                    return Ok(self.parts.streams.begin(place, |sink| telling.run(first, log, sink)));
                }
                (Err(error), _) | (_, Err(error)) if !is_gone(&error) => return Err(error),
                // Its container was made anew, or removed, since it was looked at.
                _ => telling.begin_anew(),
            }
        }
    }
}

impl LogsQuery {
    fn wants(&self, message: &Message) -> bool {
        let is_asked_for = match message.stream {
            StdStream::Out => self.out,
            StdStream::Err => self.err,
        };
        is_asked_for
            && self.since.is_none_or(|since| message.at >= message.as_exact_as_it(since))
            && self.until.is_none_or(|until| message.at <= until)
    }

    /// Until when lines are waited for; none: as long as it takes.
    fn deadline(&self) -> Option<Instant> {
        let left = self.until?.duration_since(Timestamp::now()) + LATE;
        Instant::now().checked_add(Duration::try_from(left).unwrap_or_default())
    }

    /// Whether the engine's own `tail` counts what is asked for.
    const fn is_all(&self) -> bool {
        self.out && self.err && self.since.is_none() && self.until.is_none()
    }

    /// Whether nothing that comes from now on can be wanted.
    fn is_past(&self, at: Timestamp) -> bool {
        self.until.is_some_and(|until| at.duration_since(until) > DISORDER)
    }
}

/// What there is to read now.
struct Round {
    kept: Vec<Incarnation>,
    live: Option<ContainerFacts>,
}

/// A log that is being told.
struct Telling {
    service: Arc<Service>,
    cuid: Cuid,
    query: LogsQuery,
    /// Until when lines are waited for. What is there by then is told however long its reader takes.
    deadline: Option<Instant>,
    /// Whether the log that is open goes on with what comes.
    is_followed: bool,
    /// The incarnations that were told whole, by the engine's ids.
    told: HashSet<String>,
    /// How far the others were told.
    positions: HashMap<String, Position>,
    /// How many messages are still passed over.
    skip: u64,
    /// The `tail` that the engine is asked for.
    engine_tail: Option<u64>,
    /// Characters that are not whole yet, of both outputs.
    texts: [Text; 2],
}

/// How reading one log ended.
#[derive(PartialEq, Eq)]
enum Read {
    ToItsEnd,
    PastAll,
}

impl Telling {
    async fn round(&self) -> Result<Round> {
        let service = &self.service;
        loop {
            let live = service.facts(self.cuid).await?;
            let id = live.as_ref().map(|facts| facts.id.as_str());
            service.copies.settled(self.cuid, id).await;
            let again = service.facts(self.cuid).await?;
            if again.as_ref().map(|facts| facts.id.as_str()) != id {
                continue;
            }
            let mut kept = service.parts.kept_logs.incarnations(self.cuid).await?;
            kept.retain(|old| Some(old.engine_id.as_str()) != id && !self.told.contains(&old.engine_id));
            return Ok(Round { kept, live: again });
        }
    }

    fn begin_anew(&mut self) {
        self.told.clear();
        self.positions.clear();
        (self.skip, self.engine_tail) = (0, None);
    }

    /// Finds where the last messages begin.
    async fn find_tail(&mut self, round: &mut Round) -> Result<()> {
        let Some(tail) = self.query.tail else { return Ok(()) };
        // Podman joins a line without an end and the next in a tail, and its times of whole seconds do not find a
        // tail again when the log is read anew.
        let is_exact = !self.service.is_podman();
        let is_engines = self.query.is_all() && tail <= MOST_ENGINE_TAIL && is_exact;
        if is_engines && round.kept.is_empty() {
            self.engine_tail = Some(tail);
            return Ok(());
        }
        let live = match &round.live {
            Some(live) => self.count_live(live, is_engines.then_some(tail)).await?,
            None => 0,
        };
        if is_engines && live >= tail {
            self.engine_tail = Some(tail);
            self.told.extend(round.kept.drain(..).map(|old| old.engine_id));
            return Ok(());
        }
        let mut all = live;
        for old in &round.kept {
            let mut reader = old.read();
            while let Some(messages) = reader.next().await {
                all += self.count(&messages);
            }
        }
        self.skip = all.saturating_sub(tail);
        Ok(())
    }

    async fn count_live(&self, live: &ContainerFacts, tail: Option<u64>) -> Result<u64> {
        let query = LogQuery { tail, since: self.query.since, ..LogQuery::ALL };
        let mut reader = self.engine_log(live, query).await?;
        let mut count = 0;
        while let Some(messages) = reader.next().await? {
            count += self.count(&messages);
            if messages.last().is_some_and(|last| self.query.is_past(last.at)) {
                break;
            }
        }
        Ok(count)
    }

    fn count(&self, messages: &[Message]) -> u64 {
        messages.iter().filter(|message| self.query.wants(message)).count() as u64
    }

    async fn engine_log(&self, live: &ContainerFacts, query: LogQuery) -> Result<LogReader> {
        let (engine, kind) = (self.service.parts.engine.socket(), self.service.engine_kind());
        let answer = engine.messages(kind, &live.id, live.config.tty, query).await;
        answer.map_err(|error| match &error {
            EngineError::Api { message, .. } if is_unreadable(message) => Error::new(
                Code::NotSupported,
                "the container's log driver cannot be read: json-file and journald can, with docker local too",
            )
            .with("feature", "logs"),
            _ => error.into(),
        })
    }

    /// Opens the log of the present incarnation, from where it was told so far.
    async fn open(&mut self, round: &Round) -> Result<Option<LogReader>> {
        let Some(live) = &round.live else { return Ok(None) };
        let (mut since, tail) = (self.query.since, self.engine_tail.take());
        if let Some(position) = self.positions.get_mut(&live.id) {
            position.resume();
            since = since.max(position.since());
        } else {
            let position = tail.map_or_else(Position::default, |_| Position::of_tail(Timestamp::now()));
            self.positions.insert(live.id.clone(), position);
        }
        let follow = self.follows() && live.state.running;
        self.is_followed = follow;
        let log = self.engine_log(live, LogQuery { follow, since, tail, ..LogQuery::ALL }).await;
        match log {
            Ok(log) => Ok(Some(log)),
            // Removed since it was looked at.
            Err(error) if is_gone(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn follows(&self) -> bool {
        self.query.follow
            && self.query.until.is_none_or(|until| until > Timestamp::now())
            && self.deadline.is_none_or(|deadline| deadline > Instant::now())
    }

    /// Waits for what may come late; nothing when it has not come by the end that was asked for.
    async fn in_time<T>(&self, waited_for: impl Future<Output = T>) -> Option<T> {
        match self.deadline.filter(|_| self.is_followed) {
            Some(deadline) => timeout_at(deadline, waited_for).await.ok(),
            None => Some(waited_for.await),
        }
    }

    async fn run(mut self, first: Round, log: Option<LogReader>, sink: Sink<LogRecord>) -> Result<End> {
        let end = self.tell(first, log, &sink).await;
        sink.send(self.texts.iter_mut().filter_map(Text::rest).collect()).await;
        end
    }

    async fn tell(
        &mut self,
        mut round: Round,
        mut log: Option<LogReader>,
        sink: &Sink<LogRecord>,
    ) -> Result<End> {
        loop {
            for old in std::mem::take(&mut round.kept) {
                self.tell_kept(old, sink).await;
            }
            if let (Some(log), Some(live)) = (log, &round.live)
                && self.tell_live(log, &live.id, sink).await? == Read::PastAll
            {
                return Ok(End::Complete);
            }
            if self.follows() {
                self.is_followed = true;
                if let Some(end) = self.in_time(self.ending(round.live.as_ref())).await.transpose()?.flatten()
                {
                    return Ok(end);
                }
            } else if !self.is_followed {
                return Ok(End::Complete);
            }
            // The last round is of a log that is not followed: it has all that was printed in time.
            self.is_followed = false;
            round = self.round().await?;
            log = self.open(&round).await?;
        }
    }

    /// Whether all has been told, and how it ends; nothing: there is more, or will be.
    async fn ending(&self, live: Option<&ContainerFacts>) -> Result<Option<End>> {
        let outlook = self.service.outlook(self.cuid).await?;
        let is_told = match (&outlook, live) {
            (Outlook::Up(_), _) => {
                sleep(PAUSE).await;
                false
            }
            // Its log is told when it was read after its end.
            (Outlook::Down(now), Some(live)) => {
                now.id == live.id && !live.state.running && now.state.finished_at == live.state.finished_at
            }
            (Outlook::Down(_), None) => false,
            (Outlook::Gone, live) => live.is_none() || self.round().await?.kept.is_empty(),
        };
        Ok(outlook.end().filter(|_| is_told))
    }

    async fn tell_kept(&mut self, old: Incarnation, sink: &Sink<LogRecord>) {
        let mut position = self.positions.remove(&old.engine_id).unwrap_or_default();
        position.resume();
        let mut reader = old.read();
        while let Some(messages) = reader.next().await {
            let records = self.records(messages, &mut position);
            sink.send(records).await;
        }
        self.told.insert(old.engine_id);
    }

    async fn tell_live(&mut self, mut log: LogReader, id: &str, sink: &Sink<LogRecord>) -> Result<Read> {
        let mut position = self.positions.get(id).copied().unwrap_or_default();
        while let Some(messages) = self.in_time(log.next()).await.transpose()?.flatten() {
            let is_past = messages.last().is_some_and(|last| self.query.is_past(last.at));
            let records = self.records(messages, &mut position);
            self.positions.insert(id.to_owned(), position);
            sink.send(records).await;
            if is_past {
                return Ok(Read::PastAll);
            }
        }
        Ok(Read::ToItsEnd)
    }

    /// What of some messages is new and wanted.
    fn records(&mut self, messages: Vec<Message>, position: &mut Position) -> Vec<LogRecord> {
        let mut records = Vec::with_capacity(messages.len());
        for message in messages {
            if !position.pass(&message) || !self.query.wants(&message) {
                continue;
            }
            if self.skip > 0 {
                self.skip -= 1;
                continue;
            }
            let text = &mut self.texts[usize::from(message.stream == StdStream::Err)];
            records.extend(text.add(message));
        }
        records
    }
}

/// Whether the engine says, in Docker's words or Podman's, that it cannot read such a log.
fn is_unreadable(message: &str) -> bool {
    message.contains("does not support reading") || message.contains("cannot read logs")
}

/// Whether the engine does not have the container any more.
fn is_gone(error: &Error) -> bool {
    error.details.get("engine_status").is_some_and(|status| status == 404)
}
