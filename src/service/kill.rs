//! Kill: a signal to the main process of a container.

use std::sync::Arc;
use std::time::Duration;

use super::change::Change;
use super::{Container, Error, Result, Service};
use crate::access::Principal;
use crate::codes::Code;
use crate::container::signal::Signal;
use crate::container::status::{Action, State, Status};

impl Service {
    /// Sends a signal to a container that is up. After SIGKILL the answer tells the end.
    pub async fn kill(self: &Arc<Self>, principal: &Principal, id: &str, signal: &str) -> Result<Container> {
        let signal = Signal::parse(signal).ok_or_else(|| unknown(signal))?;
        self.change(principal, id, move |change| async move {
            let state = change.state().await?;
            if !state.status.is_up() {
                return Err(not_up(&state));
            }
            match change.send(signal, &state).await {
                Err(error) => change.was_over(error).await,
                Ok(()) if signal == Signal::KILL => change.end_of(&state).await,
                Ok(()) => Ok(()),
            }
        })
        .await
    }
}

impl Change {
    /// Sends a signal. Compose does not see a paused container with Podman, which lists only what runs.
    async fn send(&self, signal: Signal, state: &State) -> Result<()> {
        let parts = &self.service.parts;
        if state.status == Status::Paused && self.service.is_podman() {
            let container = self.cuid.to_string();
            return Ok(parts.engine.socket().container_signal(&container, &signal.name()).await?);
        }
        Ok(parts.compose.kill(&self.lock, &signal.name()).await?)
    }

    /// A kill that failed because the container ended before it came is told as such.
    async fn was_over(&self, error: Error) -> Result<()> {
        let state = self.state().await?;
        Err(if state.status.is_up() { error } else { not_up(&state) })
    }

    /// Waits until the engine says that the main process of `before` is no more, no longer than for an answer.
    async fn end_of(&self, before: &State) -> Result<()> {
        let limit = self.service.parts.engine.socket().timeout;
        let ending = async {
            loop {
                let state = self.state().await?;
                if !state.status.is_up() || state.pid != before.pid {
                    return Ok(());
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let late = "the container was sent SIGKILL and has not ended: its processes hang in the kernel";
        let late = Err(Error::new(Code::ChangeTimedOut, late).with("timeout_s", limit.as_secs()));
        tokio::time::timeout(limit, ending).await.unwrap_or(late)
    }
}

fn not_up(state: &State) -> Error {
    let status = state.status.as_str();
    Error::new(Code::InvalidState, format!("a container that is {status} has no process to kill"))
        .with("status", status)
        .with("action", "kill")
        .with("allowed", Action::allowed_in(state.status))
}

fn unknown(signal: &str) -> Error {
    let message =
        "signal has to be a name such as TERM, SIGTERM or RTMIN+3, or a number from 1 to 31 or 34 to 64";
    Error::new(Code::UnknownSignal, message).with("field", "signal").with("provided", signal)
}
