//! Sessions that show what the container itself prints: listening before a shell, and attach.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::frame::{ClientFrame, Complaint};
use super::leader::Leader;
use super::link::{Gone, Link};
use super::pump::{Ending, Pump, Step};
use super::session::{Outcome, SessionOptions, complaint};
use crate::codes::Code;
use crate::engine::attach::{ContainerFacts, ContainerState};
use crate::engine::{EngineError, EngineSocket, Output};

/// How long a client may be silent before it is shown the container's output.
const SILENT_FOR: Duration = Duration::from_secs(1);
/// How long nothing may come after the container's end before its output is taken to be over.
const SILENCE: Duration = Duration::from_secs(2);
/// How long the engine may take to tell the exit code of a container that has ended.
const EXIT_CODE_WITHIN: Duration = Duration::from_secs(15);

type ExitCode = Result<i64, EngineError>;

/// What came of listening.
pub(super) enum Listened {
    /// The client wants a shell; this was its first frame.
    Shell(ClientFrame),
    /// The session is over.
    Over(Outcome),
}

/// Waits for the client's first frame and, from its second second on, shows the container's output.
pub(super) async fn listen(
    engine: &EngineSocket,
    options: &SessionOptions,
    facts: &ContainerFacts,
    link: &mut Link,
) -> Listened {
    let mut end = end_of(engine, options);
    let mut exit_code = None;
    let mut quiet = Pump::new(None, None);
    let mut silent: Ending<()> = Box::pin(tokio::time::sleep(SILENT_FOR));
    loop {
        tokio::select! {
            step = quiet.step(link, &mut silent) => match step {
                Step::Ended(()) => break,
                Step::Frame(ClientFrame::Resize(_)) | Step::OutputEnded => {}
                Step::Frame(frame) => return Listened::Shell(frame),
                Step::Gone(gone) => return Listened::Over(Outcome::Gone(gone)),
            },
            code = &mut end => {
                exit_code = Some(code);
                break;
            }
        }
    }
    match log(engine, options, facts).await {
        Ok(output) => {
            let mut pump = Pump::new(Some(output), None);
            match show(link, &mut pump, exit_code, end).await {
                Shown::Until(listened) => listened,
                Shown::Exit(code) => {
                    Listened::Over(last_lines(engine, options, facts, link, pump, code).await)
                }
            }
        }
        Err(error) => Listened::Over(error.into()),
    }
}

/// How showing the output ended.
enum Shown {
    /// By the client.
    Until(Listened),
    /// By the container.
    Exit(ExitCode),
}

/// Shows the output until the client types or the container ends.
async fn show(
    link: &mut Link,
    pump: &mut Pump,
    exit_code: Option<ExitCode>,
    mut end: Ending<ExitCode>,
) -> Shown {
    if let Some(code) = exit_code {
        end = Box::pin(std::future::ready(code));
    }
    loop {
        match pump.step(link, &mut end).await {
            Step::Frame(frame @ (ClientFrame::Stdin(_) | ClientFrame::Eof)) => {
                pump.finish_output(link);
                return Shown::Until(Listened::Shell(frame));
            }
            Step::Frame(ClientFrame::Signal(_)) => link.complain(Complaint::new(
                Code::InvalidFrame,
                "nothing of this session runs yet; a stdin frame starts its shell",
            )),
            Step::Frame(ClientFrame::Resize(_) | ClientFrame::Close) | Step::OutputEnded => {}
            Step::Gone(gone) => return Shown::Until(Listened::Over(Outcome::Gone(gone))),
            Step::Ended(code) => return Shown::Exit(code),
        }
    }
}

/// Shows the rest. A followed log may end before the last lines (seen on Engine 20.10 under load), so it is
/// read once more and what was shown is passed over.
async fn last_lines(
    engine: &EngineSocket,
    options: &SessionOptions,
    facts: &ContainerFacts,
    link: &mut Link,
    mut pump: Pump,
    code: ExitCode,
) -> Outcome {
    if let Err(gone) = pump.drain(link, SILENCE).await {
        return Outcome::Gone(gone);
    }
    let since = since(&facts.state);
    // A log that cannot be read any more has been shown as far as it could be.
    if let Ok(log) = engine.log_so_far(&options.container_id, &facts.config, &since).await {
        pump.go_on_with(log);
        if let Err(gone) = pump.drain(link, SILENCE).await {
            return Outcome::Gone(gone);
        }
    }
    code.map_or_else(Outcome::from, Outcome::Exited)
}

/// The container's log since its start. Reading the log, unlike attaching, cannot hold up the container, has
/// no gap between what was and what comes, and works when the container has just ended. A log driver that
/// cannot be read leaves attaching.
async fn log(
    engine: &EngineSocket,
    options: &SessionOptions,
    facts: &ContainerFacts,
) -> Result<Output, EngineError> {
    match engine.follow_log(&options.container_id, &facts.config, &since(&facts.state)).await {
        Err(EngineError::Api { status: 500 | 501, .. }) => {
            let mut config = facts.config.clone();
            config.open_stdin = false;
            engine.attach(&options.container_id, &config).await.map(|(output, _)| output)
        }
        answer => answer,
    }
}

/// The time of the log's first line of this run. The engine notes the start after the first lines may have
/// been printed, so the end of the run before is the better mark while the container runs.
fn since(state: &ContainerState) -> String {
    let (mark, after) = if state.running {
        (&state.finished_at, SignedDuration::from_millis(50))
    } else {
        (&state.started_at, SignedDuration::from_millis(-500))
    };
    let time = mark.parse::<Timestamp>().ok().and_then(|time| time.checked_add(after).ok());
    match time.filter(|time| time.as_second() > 0) {
        Some(time) => format!("{}.{:09}", time.as_second(), time.subsec_nanosecond()),
        None => "0".to_owned(),
    }
}

fn end_of(engine: &EngineSocket, options: &SessionOptions) -> Ending<ExitCode> {
    let (engine, container) = (engine.clone(), options.container_id.clone());
    Box::pin(async move { engine.container_end(&container).await })
}

/// Shows what the container prints from now on and lets the client type to it.
pub(super) async fn attach(engine: &EngineSocket, options: &SessionOptions, link: &mut Link) -> Outcome {
    let container = &options.container_id;
    let facts = match engine.container_facts(container).await {
        Ok(facts) => facts,
        Err(error) => return error.into(),
    };
    if !facts.state.running {
        return Outcome::Failed(Complaint::new(
            Code::ContainerNotRunning,
            "the container does not run; start it",
        ));
    }
    let mut waited = end_of(engine, options);
    let (output, input) = match engine.attach(container, &facts.config).await {
        Ok(streams) => streams,
        Err(error) => return error.into(),
    };
    if facts.config.tty {
        // The size is a courtesy; an engine that is gone shows itself soon enough.
        drop(engine.container_resize(container, options.size()).await);
    }
    let mut pump = Pump::new(Some(output), facts.config.open_stdin.then_some(input));
    if let Err(gone) = serve_attached(engine, options, &facts, link, &mut pump, &mut waited).await {
        return Outcome::Gone(gone);
    }
    if let Err(gone) = pump.drain(link, SILENCE).await {
        return Outcome::Gone(gone);
    }
    match tokio::time::timeout(EXIT_CODE_WITHIN, end_of(engine, options)).await {
        Ok(Ok(code)) => Outcome::Exited(code),
        Ok(Err(error)) => error.into(),
        Err(_) => EngineError::Timeout.into(),
    }
}

/// Moves bytes and obeys frames until the container ends.
async fn serve_attached(
    engine: &EngineSocket,
    options: &SessionOptions,
    facts: &ContainerFacts,
    link: &mut Link,
    pump: &mut Pump,
    waited: &mut Ending<ExitCode>,
) -> Result<(), Gone> {
    let main = Leader::hold(facts.state.pid);
    // The engine's own word comes up to 2 s later when something else holds the output.
    let mut end: Ending<()> = match main {
        Some(main) => Box::pin(async move { main.ended().await }),
        None => Box::pin(std::future::pending()),
    };
    loop {
        let step = tokio::select! {
            step = pump.step(link, &mut end) => step,
            _ = &mut *waited => return Ok(()),
        };
        match step {
            Step::Gone(gone) => return Err(gone),
            Step::Ended(()) => return Ok(()),
            Step::OutputEnded => {}
            Step::Frame(frame) => obey(engine, options, facts, link, pump, frame).await,
        }
    }
}

async fn obey(
    engine: &EngineSocket,
    options: &SessionOptions,
    facts: &ContainerFacts,
    link: &mut Link,
    pump: &mut Pump,
    frame: ClientFrame,
) {
    let container = &options.container_id;
    let done = match frame {
        ClientFrame::Stdin(_) | ClientFrame::Eof if !facts.config.open_stdin => {
            let message = "the container's standard input is not open";
            return link.complain(Complaint::new(Code::InvalidFrame, message));
        }
        ClientFrame::Stdin(bytes) => return pump.type_in(&bytes),
        ClientFrame::Eof => return pump.end_input(facts.config.tty),
        ClientFrame::Close => return,
        ClientFrame::Resize(_) if !facts.config.tty => return,
        ClientFrame::Resize(size) => engine.container_resize(container, size).await,
        ClientFrame::Signal(signal) => engine.container_signal(container, &signal.name()).await,
    };
    if let Err(error) = done {
        link.complain(complaint(&error));
    }
}
