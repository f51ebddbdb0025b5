//! The state of every container in memory: fed by the engine's events, read again on reconnect.

use std::collections::{HashMap, HashSet};
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use futures_util::StreamExt;
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use super::client::{Engine, EngineFacts};
use super::error::EngineError;
use crate::container::status::{State, Status};
use crate::container::{Cuid, EngineKind};

/// How often the engine is asked for a sign of life.
const PING_EVERY: Duration = Duration::from_secs(1);
/// How long to wait before the next attempt when the engine is away.
const RECONNECT_AFTER: Duration = Duration::from_millis(300);
/// How often everything is read anew although no event asked for it.
const RECONCILE_EVERY: Duration = Duration::from_secs(60);
/// How many inspections run side by side.
const SIDE_BY_SIDE: usize = 8;

/// Why an engine is down that no attempt to connect to has ended.
const NOT_YET: &str = "not connected yet";
/// Why the following of the events ended, where they ended in order.
const EVENTS_ENDED: &str = "the engine closed its event stream";

/// How the daemon sees the engine.
#[derive(Clone, Debug)]
pub enum EngineHealth {
    /// It answers; the states in memory are its own.
    Up(EngineFacts),
    /// It does not answer; the states in memory are the last ones known, since then.
    Down {
        /// What was known of it when it last answered.
        last: Option<EngineFacts>,
        /// Why it is thought to be away.
        reason: String,
    },
}

struct Entry {
    state: Arc<State>,
    /// The number of the inspection that `state` comes from: a slow answer never replaces a newer one.
    read: u64,
    /// How many changes of it are under way.
    held: usize,
}

/// Why a state is read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Asked {
    ByEvent,
    ByChange,
}

/// While it lives, a container that is made anew does not show as missing between the old one and the new.
pub struct Hold {
    live: Arc<Live>,
    cuid: Cuid,
}

impl Drop for Hold {
    fn drop(&mut self) {
        let mut memory = self.live.memory.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = memory.entries.get_mut(&self.cuid) {
            entry.held = entry.held.saturating_sub(1);
        }
    }
}

#[derive(Default)]
struct Memory {
    entries: HashMap<Cuid, Entry>,
    reads: u64,
}

/// The live view. Reads come from memory and never wait for the engine.
pub struct Live {
    engine: Arc<Engine>,
    memory: RwLock<Memory>,
    queued: Mutex<HashSet<Cuid>>,
    inspections: Semaphore,
    health: watch::Sender<EngineHealth>,
    /// When the engine last gave a sign of life while its events were followed: what is in memory was true then.
    confirmed: Mutex<Option<Instant>>,
    touched: tokio::sync::broadcast::Sender<Cuid>,
}

impl Live {
    /// An empty view of an engine that has not answered yet.
    #[must_use]
    pub fn new(engine: Arc<Engine>) -> Self {
        let health = EngineHealth::Down { last: None, reason: NOT_YET.to_owned() };
        Self {
            engine,
            memory: RwLock::default(),
            queued: Mutex::default(),
            inspections: Semaphore::new(SIDE_BY_SIDE),
            health: watch::Sender::new(health),
            confirmed: Mutex::default(),
            touched: tokio::sync::broadcast::Sender::new(256),
        }
    }

    /// How the engine is.
    #[must_use]
    pub fn health(&self) -> EngineHealth {
        self.health.borrow().clone()
    }

    /// How long ago what is in memory was last known to be true; none before it was ever read.
    #[must_use]
    pub fn age(&self) -> Option<Duration> {
        let confirmed = *self.confirmed.lock().unwrap_or_else(PoisonError::into_inner);
        confirmed.map(|confirmed| confirmed.elapsed())
    }

    /// Waits until the first attempt to connect has ended, well or not.
    pub async fn tried(&self) {
        let is_over = |health: &EngineHealth| match health {
            EngineHealth::Up(_) => true,
            EngineHealth::Down { reason, .. } => reason != NOT_YET,
        };
        // It lives as long as this.
        let _ = self.health.subscribe().wait_for(is_over).await;
    }

    /// Which engine it is, as far as it has ever answered.
    #[must_use]
    pub fn engine_kind(&self) -> Option<EngineKind> {
        match &*self.health.borrow() {
            EngineHealth::Up(facts) => Some(facts.kind),
            EngineHealth::Down { last, .. } => last.as_ref().map(|facts| facts.kind),
        }
    }

    /// Whether it counts what a container sends as received, and the other way round.
    #[must_use]
    pub fn swaps_network(&self) -> bool {
        match &*self.health.borrow() {
            EngineHealth::Up(facts) => facts.swaps_network,
            EngineHealth::Down { last, .. } => last.as_ref().is_some_and(|facts| facts.swaps_network),
        }
    }

    /// Tells when the engine's health changes.
    #[must_use]
    pub fn health_changes(&self) -> watch::Receiver<EngineHealth> {
        self.health.subscribe()
    }

    /// Tells the cuid of each container whose state was read because of an event.
    #[must_use]
    pub fn state_changes(&self) -> tokio::sync::broadcast::Receiver<Cuid> {
        self.touched.subscribe()
    }

    /// Begins to follow a container, as missing until the engine says otherwise.
    pub fn track(&self, cuid: Cuid) {
        let mut memory = self.memory.write().unwrap_or_else(PoisonError::into_inner);
        memory.entries.entry(cuid).or_insert_with(|| Entry {
            state: Arc::new(State::missing()),
            read: 0,
            held: 0,
        });
    }

    /// Says that a change of the container is under way.
    #[must_use]
    pub fn hold(self: &Arc<Self>, cuid: Cuid) -> Hold {
        let mut memory = self.memory.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = memory.entries.get_mut(&cuid) {
            entry.held += 1;
        }
        Hold { live: Arc::clone(self), cuid }
    }

    /// Ceases to follow a container.
    pub fn forget(&self, cuid: Cuid) {
        self.memory.write().unwrap_or_else(PoisonError::into_inner).entries.remove(&cuid);
    }

    /// The last known state of a container.
    #[must_use]
    pub fn state(&self, cuid: Cuid) -> Arc<State> {
        let memory = self.memory.read().unwrap_or_else(PoisonError::into_inner);
        memory.entries.get(&cuid).map_or_else(|| Arc::new(State::missing()), |entry| Arc::clone(&entry.state))
    }

    /// Reads a container's state from the engine into memory, and answers what memory then holds.
    pub async fn refresh(&self, cuid: Cuid) -> Result<State, EngineError> {
        self.read(cuid, Asked::ByChange).await
    }

    async fn read(&self, cuid: Cuid, asked: Asked) -> Result<State, EngineError> {
        let read = {
            let mut memory = self.memory.write().unwrap_or_else(PoisonError::into_inner);
            memory.reads += 1;
            memory.reads
        };
        let state = self.engine.state(cuid).await?;
        let mut memory = self.memory.write().unwrap_or_else(PoisonError::into_inner);
        let Some(entry) = memory.entries.get_mut(&cuid) else { return Ok(state) };
        let is_passing = asked == Asked::ByEvent && entry.held > 0 && state.status == Status::Missing;
        if read > entry.read && !is_passing {
            (entry.state, entry.read) = (Arc::new(state), read);
        }
        Ok(State::clone(&entry.state))
    }

    /// Keeps the view true, for ever: connects, follows the events, and starts anew when they end.
    pub async fn follow(self: Arc<Self>, network: String) {
        loop {
            let reason = match self.connect(&network).await {
                Ok(facts) => self.follow_connected(facts).await,
                Err(error) => error.to_string(),
            };
            if reason != EVENTS_ENDED || !self.is_podman_alive().await {
                self.mark_down(reason);
            }
            sleep(RECONNECT_AFTER).await;
        }
    }

    /// Whether it is Podman, and answers: that ends its event stream now and then, for instance when it begins
    /// another event log, and is none the worse for it.
    async fn is_podman_alive(&self) -> bool {
        self.engine_kind() == Some(EngineKind::Podman) && self.engine.ping().await.is_ok()
    }

    async fn connect(&self, network: &str) -> Result<EngineFacts, EngineError> {
        self.engine.ping().await?;
        let facts = self.engine.connect().await?;
        // With Podman each container has a network of its own, which Compose makes.
        if facts.kind == EngineKind::Docker
            && let Err(error) = self.engine.ensure_network(network).await
        {
            tracing::warn!(network, %error, "the network of the containers could not be made");
        }
        Ok(facts)
    }

    /// Follows the events until they end or the engine falls silent; says why.
    async fn follow_connected(self: &Arc<Self>, facts: EngineFacts) -> String {
        let since = jiff::Timestamp::now().as_second() - 1;
        let changes = match self.engine.changes(facts.kind, since).await {
            Ok(changes) => changes,
            Err(error) => return error.to_string(),
        };
        let mut changes = pin!(changes);
        let mut reading = Some(Box::pin(self.read_all()));
        let mut ping = Some(Box::pin(self.engine.ping()));
        let mut pings = interval(PING_EVERY);
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut reconcile = interval(RECONCILE_EVERY);
        reconcile.reset_at(Instant::now() + RECONCILE_EVERY);
        loop {
            tokio::select! {
                biased;
                change = changes.next() => match change {
                    Some(Ok(cuid)) => self.refresh_soon(cuid),
                    Some(Err(error)) => return error.to_string(),
                    None => return EVENTS_ENDED.to_owned(),
                },
                result = ended(&mut reading), if reading.is_some() => match result {
                    Ok(()) => {
                        reading = None;
                        self.confirm();
                        self.mark_up(&facts);
                    }
                    Err(error) => return error.to_string(),
                },
                result = ended(&mut ping), if ping.is_some() => match result {
                    Ok(()) => {
                        ping = None;
                        if reading.is_none() {
                            self.confirm();
                        }
                    }
                    Err(error) => return error.to_string(),
                },
                _ = pings.tick(), if ping.is_none() => ping = Some(Box::pin(self.engine.ping())),
                _ = reconcile.tick(), if reading.is_none() => reading = Some(Box::pin(self.read_all())),
            }
        }
    }

    fn confirm(&self) {
        *self.confirmed.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    fn mark_up(&self, facts: &EngineFacts) {
        if matches!(*self.health.borrow(), EngineHealth::Up(_)) {
            return;
        }
        self.health.send_replace(EngineHealth::Up(facts.clone()));
        tracing::info!(engine = facts.kind.as_str(), version = %facts.version, "the engine answers");
    }

    fn mark_down(&self, reason: String) {
        self.health.send_modify(|health| match health {
            EngineHealth::Up(facts) => {
                tracing::warn!(reason, "the engine does not answer");
                *health = EngineHealth::Down { last: Some(facts.clone()), reason };
            }
            EngineHealth::Down { reason: known, .. } => *known = reason,
        });
    }

    /// Reads the state of every container that is followed.
    async fn read_all(self: &Arc<Self>) -> Result<(), EngineError> {
        let present: HashSet<Cuid> = self.engine.cuids().await?.into_iter().collect();
        let followed: Vec<(Cuid, bool)> = {
            let memory = self.memory.read().unwrap_or_else(PoisonError::into_inner);
            let is_missing = |entry: &Entry| *entry.state == State::missing();
            memory.entries.iter().map(|(cuid, entry)| (*cuid, is_missing(entry))).collect()
        };
        let to_read = followed.into_iter().filter(|(cuid, is_missing)| present.contains(cuid) || !is_missing);
        let reads = futures_util::stream::iter(to_read.map(|(cuid, _)| self.read(cuid, Asked::ByEvent)));
        let mut reads = reads.buffer_unordered(SIDE_BY_SIDE);
        while let Some(result) = reads.next().await {
            match result {
                // What the engine says of one container says nothing of the others.
                Err(error) if !error.is_unavailable() => {
                    tracing::warn!(%error, "the state of a container could not be read");
                }
                result => drop(result?),
            }
        }
        Ok(())
    }

    /// Reads a container's state because an event says it changed; events that come meanwhile are one.
    fn refresh_soon(self: &Arc<Self>, cuid: Cuid) {
        let is_followed =
            self.memory.read().unwrap_or_else(PoisonError::into_inner).entries.contains_key(&cuid);
        if !is_followed || !self.queued.lock().unwrap_or_else(PoisonError::into_inner).insert(cuid) {
            return;
        }
        let live = Arc::clone(self);
        tokio::spawn(async move {
            let Ok(_turn) = live.inspections.acquire().await else { return };
            live.queued.lock().unwrap_or_else(PoisonError::into_inner).remove(&cuid);
            if let Err(error) = live.read(cuid, Asked::ByEvent).await {
                tracing::warn!(%cuid, %error, "the state could not be read");
            }
            let _ = live.touched.send(cuid);
        });
    }
}

/// The end of a reading that is under way.
async fn ended<F: Future + Unpin>(task: &mut Option<F>) -> F::Output {
    match task {
        Some(task) => task.await,
        None => std::future::pending().await,
    }
}
