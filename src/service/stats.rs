//! What containers use: one sample, or one a second.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::StreamExt;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::streams::{End, Outlook, Source};
use super::{Error, Result, Service};
use crate::access::Principal;
use crate::codes::Code;
use crate::container::Cuid;
use crate::container::status::Status;
use crate::engine::stats::{Measurements, Usage};
use crate::engine::{EngineError, EngineHealth};

/// How far the two measurements of one sample are apart.
const APART: Duration = Duration::from_millis(200);
/// How many containers are measured side by side.
const SIDE_BY_SIDE: usize = 16;
/// How often all containers are told.
const EVERY: Duration = Duration::from_secs(1);
/// How long before measuring goes on that broke off although the container runs.
const PAUSE: Duration = Duration::from_millis(100);

/// What a container uses.
#[derive(Clone, Debug)]
pub struct Sample {
    /// The container.
    pub cuid: Cuid,
    /// Its name, if it has one.
    pub name: Option<String>,
    /// How busy it is, in percent of one processor.
    pub cpu: f64,
    /// The rest.
    pub usage: Usage,
}

/// The newest of a container's samples.
#[derive(Clone, Debug)]
enum Newest {
    /// There is none yet.
    Nothing,
    /// This one.
    Sample(Sample),
    /// There will be none.
    End(End),
}

/// The containers that are measured now: all streams of one share one connection to the engine. Each reader
/// finds the newest sample; one that is slow misses some.
#[derive(Clone, Default)]
pub struct Hubs(Arc<Mutex<HashMap<Cuid, watch::Sender<Newest>>>>);

impl Hubs {
    /// The samples of a container, from the newest on.
    fn subscribe(&self, service: &Arc<Service>, cuid: Cuid) -> watch::Receiver<Newest> {
        let mut hubs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(hub) = hubs.get(&cuid) {
            let mut samples = hub.subscribe();
            samples.mark_changed();
            return samples;
        }
        let hub = watch::Sender::new(Newest::Nothing);
        let samples = hub.subscribe();
        hubs.insert(cuid, hub.clone());
        tokio::spawn(self.clone().run(Arc::clone(service), cuid, hub));
        samples
    }

    /// Measures until the container has ended or no one looks.
    async fn run(self, service: Arc<Service>, cuid: Cuid, hub: watch::Sender<Newest>) {
        let mut measuring = std::pin::pin!(measure(&service, cuid, &hub));
        loop {
            tokio::select! {
                end = &mut measuring => {
                    self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&cuid);
                    hub.send_replace(Newest::End(end.unwrap_or_else(End::Error)));
                    return;
                }
                () = hub.closed() => {
                    let mut hubs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
                    if hub.is_closed() {
                        hubs.remove(&cuid);
                        return;
                    }
                }
            }
        }
    }
}

/// Measures a container over all its incarnations; says how it ended.
async fn measure(service: &Service, cuid: Cuid, hub: &watch::Sender<Newest>) -> Result<End> {
    loop {
        let outlook = service.outlook(cuid).await?;
        let Outlook::Up(facts) = &outlook else {
            return Ok(outlook.end().unwrap_or(End::Removed));
        };
        match measure_incarnation(service, cuid, &facts.id, hub).await {
            Err(error) if error.is_unavailable() => return Err(error.into()),
            // What else fails, fails because it has just ended: the next look tells.
            Ok(()) | Err(_) => sleep(PAUSE).await,
        }
    }
}

async fn measure_incarnation(
    service: &Service,
    cuid: Cuid,
    id: &str,
    hub: &watch::Sender<Newest>,
) -> std::result::Result<(), EngineError> {
    let engine = service.parts.engine.socket();
    let mut measurements: Measurements = engine.measurements(id).await?;
    let mut before = if engine.measures_at_once() { engine.usage(id).await? } else { None };
    while let Some(usage) = measurements.next().await? {
        if let Some(mark) = before.as_ref().map(Usage::mark).or(usage.before)
            && mark.0 < usage.at
        {
            hub.send_replace(Newest::Sample(service.sample_of(cuid, usage, mark)));
        }
        before = Some(usage);
    }
    Ok(())
}

impl Service {
    /// What a container uses now.
    pub async fn stats(&self, id: &str) -> Result<Sample> {
        let cuid = self.resolve(id)?;
        let engine_id = self.must_run(cuid).await?;
        let sampled = self.sample(cuid, &engine_id).await;
        match sampled.map_err(|error| self.of_container(cuid, id, error))? {
            Some(sample) => Ok(sample),
            None => Err(not_running(Status::Exited.as_str())),
        }
    }

    /// What a container uses, a sample a second, until it ends.
    pub async fn stats_stream(self: &Arc<Self>, id: &str) -> Result<Source<Sample>> {
        let cuid = self.resolve(id)?;
        let place = self.parts.streams.take_place()?;
        self.must_run(cuid).await?;
        let mut samples = self.hubs.subscribe(self, cuid);
        Ok(self.parts.streams.begin(place, |sink| async move {
            loop {
                if samples.changed().await.is_err() {
                    return Ok(End::Removed);
                }
                let newest = samples.borrow_and_update().clone();
                match newest {
                    Newest::Nothing => {}
                    Newest::Sample(sample) => sink.send(vec![sample]).await,
                    Newest::End(end) => return Ok(end),
                }
            }
        }))
    }

    /// What all containers use that run and the caller knows of.
    pub async fn stats_of_all(&self, principal: &Principal) -> Result<Vec<Sample>> {
        self.engine_must_answer()?;
        let samples = self.all_that_run(principal).into_iter().map(|(cuid, id)| async move {
            match self.sample(cuid, &id).await {
                Ok(sample) => Ok(sample),
                // Ended or made anew since.
                Err(error) if !error.is_unavailable() => Ok(None),
                Err(error) => Err(Error::from(error)),
            }
        });
        let mut samples = futures_util::stream::iter(samples).buffered(SIDE_BY_SIDE);
        let mut all = Vec::new();
        while let Some(sample) = samples.next().await {
            all.extend(sample?);
        }
        Ok(all)
    }

    /// The same, each once a second; containers come and go.
    pub fn stats_of_all_stream(self: &Arc<Self>, principal: Principal) -> Result<Source<Sample>> {
        let place = self.parts.streams.take_place()?;
        self.engine_must_answer()?;
        let service = Arc::clone(self);
        Ok(self.parts.streams.begin(place, move |sink| async move {
            let mut watched = HashMap::new();
            let mut ticks = interval(EVERY);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                ticks.tick().await;
                if let EngineHealth::Down { reason, .. } = service.parts.live.health() {
                    return Err(Error::engine_away(&reason));
                }
                let running = service.all_that_run(&principal);
                watched.retain(|cuid, _| running.iter().any(|(other, _)| other == cuid));
                let mut records = Vec::new();
                for (cuid, _) in running {
                    let samples =
                        watched.entry(cuid).or_insert_with(|| service.hubs.subscribe(&service, cuid));
                    match next_of(samples) {
                        Newest::Nothing => {}
                        Newest::Sample(sample) => records.push(sample),
                        Newest::End(_) => drop(watched.remove(&cuid)),
                    }
                }
                sink.send(records).await;
            }
        }))
    }

    /// One sample: two measurements, close together where the engine can do that.
    async fn sample(&self, cuid: Cuid, id: &str) -> std::result::Result<Option<Sample>, EngineError> {
        let engine = self.parts.engine.socket();
        let Some(first) = engine.usage(id).await? else { return Ok(None) };
        if let (false, Some(before)) = (engine.measures_at_once(), first.before) {
            return Ok(Some(self.sample_of(cuid, first, before)));
        }
        sleep(APART).await;
        let second = engine.usage(id).await?;
        Ok(second.map(|second| self.sample_of(cuid, second, first.mark())))
    }

    fn sample_of(&self, cuid: Cuid, mut usage: Usage, before: (jiff::Timestamp, u64)) -> Sample {
        if self.parts.live.swaps_network() {
            std::mem::swap(&mut usage.net_input, &mut usage.net_output);
        }
        let known = self.catalog.get(cuid);
        let name = known.as_ref().and_then(|known| known.definition.as_ref().ok()?.spec.name.clone());
        Sample { cuid, name, cpu: usage.cpu_since(before), usage }
    }

    /// The containers that run and the caller knows of, with the engine's ids of them, from memory.
    fn all_that_run(&self, principal: &Principal) -> Vec<(Cuid, String)> {
        let all =
            self.seen_by(principal).into_iter().map(|known| (known.cuid, self.parts.live.state(known.cuid)));
        let running = all.filter(|(_, state)| matches!(state.status, Status::Running | Status::Paused));
        running.filter_map(|(cuid, state)| Some((cuid, state.engine_id.clone()?))).collect()
    }

    /// The engine's id of a container that has to run.
    async fn must_run(&self, cuid: Cuid) -> Result<String> {
        match self.facts(cuid).await? {
            Some(facts) if facts.state.running && !facts.state.restarting => Ok(facts.id),
            Some(facts) => Err(not_running(&facts.state.status)),
            None => Err(not_running(Status::Missing.as_str())),
        }
    }
}

/// What is new for one reader.
fn next_of(samples: &mut watch::Receiver<Newest>) -> Newest {
    match samples.has_changed() {
        Ok(true) => samples.borrow_and_update().clone(),
        Ok(false) => Newest::Nothing,
        Err(_) => Newest::End(End::Removed),
    }
}

fn not_running(status: &str) -> Error {
    let message = format!("only a container that runs uses anything, this one is {status}: start it");
    Error::new(Code::ContainerNotRunning, message).with("status", status)
}
