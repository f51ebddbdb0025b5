//! The Engine API over its unix socket: what the daemon reads, and what Compose has no verb for.

pub mod attach;
pub mod client;
pub mod commit;
pub mod demux;
pub mod error;
pub mod events;
pub mod exec;
pub mod found;
mod half_made;
pub mod images;
mod info;
mod inspect;
pub mod inspection;
mod limits;
pub mod live;
mod log_request;
pub mod logs;
mod shared;
pub mod socket;
pub mod stats;
pub mod stream;
pub mod system;

pub use client::Engine;
pub use error::EngineError;
pub use live::{EngineHealth, Hold, Live};
pub use shared::Owned;
pub use socket::EngineSocket;
pub use stream::{Input, Output, Piece, StdStream};
