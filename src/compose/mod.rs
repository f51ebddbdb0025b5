//! Docker Compose: the projects on disk, and the only spawner of processes.

pub mod build;
pub mod cli;
mod command;
pub mod leftover;
mod lines;
pub mod projects;

pub use build::Build;
pub use cli::{Compose, ComposeError, ComposeSettings, Grace, Recreate};
pub use projects::Projects;
