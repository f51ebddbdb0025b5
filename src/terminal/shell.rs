//! A session with a command of its own: started, served, and ended with all that it started.

use super::command::{Begun, Command, Place, SILENCE, begin};
use super::container_output::{Listened, listen};
use super::frame::{ClientFrame, Complaint};
use super::link::{Gone, Link};
use super::processes;
use super::pump::{Ending, Pump, Step};
use super::session::{Outcome, SessionOptions, complaint, say_goodbye};
use crate::codes::Code;
use crate::engine::EngineSocket;
use crate::engine::exec::ExecSpec;

/// `bash` where the image has it, else `sh`.
const SHELL: [&str; 3] = ["sh", "-c", "command -v bash >/dev/null 2>&1 && exec bash; exec sh"];

/// Serves a session in shell mode.
pub(super) async fn serve(
    engine: &EngineSocket,
    options: &SessionOptions,
    session: &str,
    link: &mut Link,
) -> Outcome {
    let facts = match engine.container_facts(&options.container_id).await {
        Ok(facts) => facts,
        Err(error) => return error.into(),
    };
    let mut first = None;
    if !options.tty && options.cmd.is_empty() {
        match listen(engine, options, &facts, link).await {
            Listened::Shell(frame) => first = Some(frame),
            Listened::Over(outcome) => return outcome,
        }
    }
    let place = Place { container: &options.container_id, main: facts.state.pid };
    match begin(engine, place, spec(options), format!("{}.{session}", options.cuid)).await {
        Ok(Begun::Running(running, output, input)) => {
            let mut pump = Pump::new(Some(output), Some(input));
            if let Some(frame) = first {
                running.obey(engine, options, link, &mut pump, frame).await;
            }
            running.serve(engine, options, link, pump).await
        }
        Ok(Begun::Refused(code, complaint)) => {
            link.complain(complaint);
            Outcome::Exited(code)
        }
        Err(error) => error.into(),
    }
}

fn spec(options: &SessionOptions) -> ExecSpec {
    let mut env = options.env.clone();
    if options.tty && !env.iter().any(|pair| pair.starts_with("TERM=")) {
        env.push("TERM=xterm-256color".to_owned());
    }
    let cmd = if options.cmd.is_empty() { SHELL.map(str::to_owned).to_vec() } else { options.cmd.clone() };
    ExecSpec {
        cmd,
        env,
        user: options.user.clone(),
        working_dir: options.working_dir.clone(),
        tty: options.tty.then(|| options.size()),
        stdin: true,
    }
}

impl Command {
    /// Moves bytes and obeys frames until the command ends, then ends what it left behind.
    async fn serve(
        self,
        engine: &EngineSocket,
        options: &SessionOptions,
        link: &mut Link,
        mut pump: Pump,
    ) -> Outcome {
        match self.until_its_end(engine, options, link, &mut pump).await {
            Ok(()) => {}
            Err(outcome) => {
                if let Outcome::Gone(gone @ (Gone::Shutdown | Gone::Revoked)) = outcome {
                    say_goodbye(link, gone).await;
                }
                processes::end(self.started).await;
                return outcome;
            }
        }
        pump.take_last_output();
        let mut end: Ending<usize> = Box::pin(processes::end(self.started.clone()));
        loop {
            match pump.step(link, &mut end).await {
                Step::Frame(_) | Step::OutputEnded => {}
                Step::Ended(_) => break,
                Step::Gone(gone) => {
                    end.await;
                    return Outcome::Gone(gone);
                }
            }
        }
        match pump.drain(link, SILENCE).await {
            Ok(()) => match self.exit_code(engine, &options.container_id).await {
                Ok(code) => Outcome::Exited(code),
                Err(error) => error.into(),
            },
            Err(gone) => Outcome::Gone(gone),
        }
    }

    async fn until_its_end(
        &self,
        engine: &EngineSocket,
        options: &SessionOptions,
        link: &mut Link,
        pump: &mut Pump,
    ) -> Result<(), Outcome> {
        let mut end = self.end(engine);
        loop {
            match pump.step(link, &mut end).await {
                Step::Frame(frame) => self.obey(engine, options, link, pump, frame).await,
                Step::Gone(gone) => return Err(Outcome::Gone(gone)),
                // The command has closed its output, or is about to end, or the engine is gone.
                Step::OutputEnded => end = self.end_or_engine_gone(engine),
                Step::Ended(ended) => return ended.map_err(|error| Outcome::Failed(complaint(&error))),
            }
        }
    }

    async fn obey(
        &self,
        engine: &EngineSocket,
        options: &SessionOptions,
        link: &mut Link,
        pump: &mut Pump,
        frame: ClientFrame,
    ) {
        match frame {
            ClientFrame::Stdin(bytes) => pump.type_in(&bytes),
            ClientFrame::Eof => pump.end_input(options.tty),
            ClientFrame::Resize(size) if options.tty => {
                // A process that has ended needs no size; an engine that is gone shows itself in the stream.
                drop(engine.exec_resize(&self.exec, size).await);
            }
            ClientFrame::Signal(signal) => match &self.leader {
                Some(leader) => leader.signal_foreground(signal.raw()),
                None => link.complain(Complaint::new(Code::InvalidFrame, "the process has ended")),
            },
            ClientFrame::Resize(_) | ClientFrame::Close => {}
        }
    }
}
