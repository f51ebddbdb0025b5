//! Asking for a container's log, as Docker and as Podman answer.

use std::fmt::Write;

use hyper::Method;
use jiff::Timestamp;

use super::logs::{Form, LogReader};
use super::socket::escaped;
use super::{EngineError, EngineSocket};
use crate::container::EngineKind;

/// Which part of a log is asked for.
#[derive(Clone, Copy, Debug)]
pub struct LogQuery {
    /// Also what is still to come.
    pub follow: bool,
    /// Nothing older.
    pub since: Option<Timestamp>,
    /// The last messages only, of both outputs.
    pub tail: Option<u64>,
    /// Standard output.
    pub out: bool,
    /// Standard error.
    pub err: bool,
}

impl LogQuery {
    /// Everything that there is.
    pub const ALL: Self = Self { follow: false, since: None, tail: None, out: true, err: true };

    fn to_path(self, container: &str) -> String {
        let flag = u8::from;
        let mut path = format!(
            "/containers/{}/logs?timestamps=1&stdout={}&stderr={}&follow={}",
            escaped(container),
            flag(self.out),
            flag(self.err),
            flag(self.follow)
        );
        if let Some(since) = self.since.filter(|since| since.as_second() > 0) {
            // Writing to a String does not fail.
            let _ = write!(path, "&since={}.{:09}", since.as_second(), since.subsec_nanosecond());
        }
        if let Some(tail) = self.tail {
            let _ = write!(path, "&tail={tail}");
        }
        path
    }
}

impl EngineSocket {
    /// Reads a container's log. What the engine refuses is refused here.
    pub async fn messages(
        &self,
        kind: EngineKind,
        container: &str,
        has_tty: bool,
        query: LogQuery,
    ) -> Result<LogReader, EngineError> {
        if kind == EngineKind::Podman {
            return self.podmans_messages(container, query).await;
        }
        let reader = self.streamed(Method::GET, &query.to_path(container)).await?;
        Ok(LogReader::new(reader, if has_tty { Form::Raw } else { Form::Framed }))
    }

    /// By Podman's own API, which frames what a terminal printed too. A log that is followed is answered with its
    /// first message only, however late: who reads it waits, and finds nothing of a container that is gone by then.
    async fn podmans_messages(&self, container: &str, query: LogQuery) -> Result<LogReader, EngineError> {
        let (libpod, path) = (self.of_libpod(), format!("/libpod{}", query.to_path(container)));
        if !query.follow {
            return Ok(LogReader::new(libpod.streamed(Method::GET, &path).await?, Form::Framed));
        }
        let nothing = LogQuery { tail: Some(0), ..LogQuery::ALL }.to_path(container);
        drop(libpod.streamed(Method::GET, &format!("/libpod{nothing}")).await?);
        Ok(LogReader::new(libpod.streamed_late(Method::GET, &path), Form::Framed))
    }
}
