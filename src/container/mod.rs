//! What a container is: pure types and rules, no I/O, no async.

pub mod build;
pub mod commit;
pub mod compose_file;
pub mod cuid;
mod engine_kind;
pub mod exec;
pub mod fields;
pub mod file_request;
pub mod image;
pub mod image_request;
pub mod login;
pub mod moment;
pub mod options;
pub mod port;
pub mod ps;
pub mod request;
pub mod resources;
pub mod rules;
pub mod signal;
pub mod size;
pub mod spec;
pub mod status;
pub mod transfer_request;
pub mod violation;

pub use cuid::Cuid;
pub use engine_kind::EngineKind;
pub use spec::Spec;
