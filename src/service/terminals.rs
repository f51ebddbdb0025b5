//! Terminals: who may open one, how many there are, and what each one is told.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::inspection::not_running;
use super::{Error, Result, Service};
use crate::access::Principal;
use crate::codes::Code;
use crate::container::Cuid;
use crate::container::status::Status;
use crate::terminal::{self, Mode, SessionOptions, Traffic};

pub use crate::terminal::{ClientEvent, ServerEvent, SessionSummary};

/// The size of a terminal whose client names none, as `docker exec` has it.
const DEFAULT_SIZE: (u16, u16) = (80, 24);

/// How many terminals may be open at a time.
#[derive(Clone, Copy, Debug)]
pub struct Places {
    /// In all.
    pub in_all: usize,
    /// For one container.
    pub per_container: usize,
}

/// The open terminals.
pub struct Terminals {
    places: Places,
    open: Arc<Mutex<HashMap<Cuid, usize>>>,
    traffic: Traffic,
    shutdown: CancellationToken,
    tasks: TaskTracker,
}

/// What the query of a terminal asks for.
#[derive(Clone, Debug, Default)]
pub struct TerminalQuery {
    /// Columns.
    pub cols: Option<u16>,
    /// Rows.
    pub rows: Option<u16>,
    /// With a terminal or without; none: with one when a size is given.
    pub tty: Option<bool>,
    /// The command and its arguments; empty: a shell.
    pub cmd: Vec<String>,
    /// Who it runs as.
    pub user: Option<String>,
    /// Where it runs.
    pub working_dir: Option<String>,
    /// `K=V` each.
    pub env: Vec<String>,
    /// The container's own output in place of a shell.
    pub attach: bool,
}

/// A place among the open terminals; it is free again when this is dropped.
pub struct TerminalPlace {
    open: Arc<Mutex<HashMap<Cuid, usize>>>,
    cuid: Cuid,
}

/// A terminal that may be opened: everything was checked.
pub struct OpenTerminal {
    /// The container.
    pub cuid: Cuid,
    service: Arc<Service>,
    options: SessionOptions,
    place: TerminalPlace,
}

impl Terminals {
    /// No terminals yet.
    #[must_use]
    pub fn new(places: Places) -> Self {
        Self {
            places,
            open: Arc::default(),
            traffic: Traffic::default(),
            shutdown: CancellationToken::new(),
            tasks: TaskTracker::new(),
        }
    }

    /// How many are open.
    pub(super) fn count(&self) -> usize {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).values().sum()
    }

    /// What went through all of them so far.
    pub(super) fn traffic(&self) -> &Traffic {
        &self.traffic
    }

    /// Ends every terminal; the clients are told that the daemon goes away.
    pub fn close_all(&self) {
        self.shutdown.cancel();
        self.tasks.close();
    }

    /// Tells when what clients wait for has to end: the daemon goes away.
    pub(super) fn shutdown(&self) -> CancellationToken {
        self.shutdown.child_token()
    }

    /// Runs work that [`Self::wait`] waits for.
    pub(super) fn spawn<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> JoinHandle<T> {
        self.tasks.spawn(work)
    }

    /// Waits until every terminal and all it started has ended.
    pub async fn wait(&self) {
        self.tasks.wait().await;
    }

    pub(super) fn take_place(&self, cuid: Cuid) -> Result<TerminalPlace> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let (all, own) = (open.values().sum::<usize>(), open.get(&cuid).copied().unwrap_or(0));
        if all >= self.places.in_all || own >= self.places.per_container {
            let message = "too many terminals are open and commands run: end one and try again";
            let mut error =
                Error::new(Code::TooManyTerminals, message).with("open", all).with("open_here", own);
            error.retry_after = Some(5);
            return Err(error);
        }
        *open.entry(cuid).or_default() += 1;
        Ok(TerminalPlace { open: Arc::clone(&self.open), cuid })
    }
}

impl Drop for TerminalPlace {
    fn drop(&mut self) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.cuid) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.cuid);
            }
        }
    }
}

impl Service {
    /// Checks everything that can be checked before a terminal is opened, and keeps a place for it.
    pub fn open_terminal(
        self: &Arc<Self>,
        id: &str,
        query: TerminalQuery,
        (principal, request_id): (&Principal, &str),
    ) -> Result<OpenTerminal> {
        let cuid = self.resolve(id)?;
        let container_id = self.running(cuid, "a terminal needs a container that runs")?;
        let state = self.parts.live.state(cuid);
        let place = self.parts.terminals.take_place(cuid)?;
        let options = SessionOptions {
            cuid: cuid.to_string(),
            container_id,
            container_tty: state.tty,
            mode: if query.attach { Mode::Attach } else { Mode::Shell },
            tty: query.tty.unwrap_or(query.cols.is_some() || query.rows.is_some()),
            cols: query.cols.unwrap_or(DEFAULT_SIZE.0),
            rows: query.rows.unwrap_or(DEFAULT_SIZE.1),
            cmd: query.cmd,
            user: query.user,
            working_dir: query.working_dir,
            env: query.env,
            request_id: request_id.to_owned(),
            revoked: principal.ended(),
            traffic: self.parts.terminals.traffic.clone(),
        };
        Ok(OpenTerminal { cuid, service: Arc::clone(self), options, place })
    }

    /// The engine's id of a container that runs; `need` says what for.
    pub(super) fn running(&self, cuid: Cuid, need: &str) -> Result<String> {
        if self.parts.terminals.shutdown.is_cancelled() {
            return Err(Error::shutting_down());
        }
        self.engine_must_answer()?;
        let state = self.parts.live.state(cuid);
        let container_id = state.engine_id.clone().filter(|_| state.status == Status::Running);
        container_id.ok_or_else(|| not_running(state.status, need))
    }
}

impl OpenTerminal {
    /// Serves the client to the end, in a task of its own: a session that is dropped half-way would leave
    /// processes behind. `ended` is called with what it came to.
    pub fn serve(
        self,
        client: mpsc::Receiver<ClientEvent>,
        server: mpsc::Sender<ServerEvent>,
        ended: impl FnOnce(SessionSummary) + Send + 'static,
    ) {
        let Self { service, options, place, .. } = self;
        let terminals = &service.parts.terminals;
        let (shutdown, engine) = (terminals.shutdown.child_token(), service.parts.engine.socket());
        terminals.tasks.spawn(async move {
            let summary = terminal::run(&engine, options, client, server, shutdown).await;
            drop(place);
            ended(summary);
        });
    }
}
