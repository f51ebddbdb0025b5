//! Export: the file system of a container as a tar, as it comes from the engine.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::Stream;
use tokio_util::io::ReaderStream;

use super::tar::{PIECE, until, whole};
use super::{Result, Service};

impl Service {
    /// The file system of a container as a tar, and the name it should have. An engine that breaks off, and a
    /// daemon that goes away, end it with an error; so does `left`, when no one reads it any more.
    pub async fn export<L: Future<Output = ()>>(
        self: &Arc<Self>,
        id: &str,
        left: L,
    ) -> Result<(String, impl Stream<Item = Result<Bytes>> + use<L>)> {
        let cuid = self.in_engine(id)?;
        let known = self.catalog.get(cuid);
        let name = known.and_then(|known| known.definition.as_ref().ok()?.spec.name.clone());
        let reader = self.parts.engine.socket().export(&cuid.to_string()).await;
        let reader = reader.map_err(|error| self.of_container(cuid, id, error))?;
        let interrupted = self.broken_off(left);
        let pieces = whole(ReaderStream::with_capacity(reader, PIECE));
        Ok((format!("{}.tar", name.unwrap_or_else(|| cuid.to_string())), until(pieces, interrupted)))
    }
}
