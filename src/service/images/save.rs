//! Save: an image with all its layers as a tar.

use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::Stream;
use tokio_util::io::ReaderStream;

use super::InspectedImage;
use super::gzip::gzip;
use super::naming::Naming;
use crate::access::Principal;
use crate::service::tar::{PIECE, until, whole};
use crate::service::{Result, Service};

/// An image on its way out.
pub struct Saved {
    /// The name that the file should have.
    pub file_name: String,
    /// The tar; it ends in an error where it is not whole.
    pub pieces: Pin<Box<dyn Stream<Item = Result<Bytes>>>>,
}

impl Service {
    /// An image as a tar; by a name with that name in it. One that was made of a container has the values of its
    /// variables in it, so it is not for whom those are hidden from. `left` ends it when no one reads it any more.
    pub async fn save_image(
        self: &Arc<Self>,
        principal: &Principal,
        image: &str,
        compressed: bool,
        left: impl Future<Output = ()> + 'static,
    ) -> Result<Saved> {
        // The engine writes all of it to its disk before it sends the first of it.
        let place = self.parts.streams.take_place()?;
        let found = self.image(image).await?;
        self.must_be_shown_whole(principal, &found)?;
        let naming = found.names().naming(image);
        // A name without tag would bring all tags.
        let (target, file_name) = match &naming {
            Some(Naming::Name(name)) => (name.as_str(), plain(name)),
            Some(Naming::Id) | None => (found.id.as_str(), short(&found)),
        };
        let socket = self.parts.engine.socket();
        let mut broken_off = Box::pin(self.broken_off(left));
        // The engine gathers all layers before it sends the first.
        let reader = tokio::select! {
            reader = socket.save_image(target) => reader.map_err(|error| self.of_image(image, error))?,
            error = &mut broken_off => return Err(error),
        };
        let broken_off = async move {
            let _place = place;
            broken_off.await
        };
        let tar = whole(ReaderStream::with_capacity(reader, PIECE));
        Ok(if compressed {
            Saved { file_name: format!("{file_name}.tar.gz"), pieces: Box::pin(until(gzip(tar), broken_off)) }
        } else {
            Saved { file_name: format!("{file_name}.tar"), pieces: Box::pin(until(tar, broken_off)) }
        })
    }
}

/// A name of an image as one of a file.
fn plain(name: &str) -> String {
    name.replace(['/', ':', '@'], "_")
}

fn short(image: &InspectedImage) -> String {
    image.id.trim_start_matches("sha256:").chars().take(12).collect()
}
