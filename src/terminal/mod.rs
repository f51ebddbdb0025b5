//! One terminal session: a client's frames on one side, a process in a container on the other.

mod command;
mod container_output;
pub mod frame;
pub mod leader;
mod link;
pub mod one_shot;
pub mod processes;
mod pump;
pub mod session;
mod shell;
pub mod signal;
pub mod utf8;

pub use link::Traffic;
pub use processes::sweep;
pub use session::{ClientEvent, Mode, ServerEvent, SessionOptions, SessionSummary, run};
