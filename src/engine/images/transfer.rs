//! Images on their way from a registry and to one: the engine's own word on how far it is.

use hyper::Method;
use serde::Deserialize;

use super::RegistryAuth;
use super::records::Records;
use crate::container::image::Reference;
use crate::engine::socket::escaped;
use crate::engine::{EngineError, EngineSocket};

/// The header that says who asks a registry.
const REGISTRY_AUTH: &str = "x-registry-auth";

/// Which way an image goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// From a registry.
    Pull,
    /// To a registry.
    Push,
}

/// One record of a transfer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct TransferRecord {
    /// What it is about: a layer, or with `Pulling from …` a tag.
    pub id: Option<String>,
    /// What happens.
    pub status: Option<String>,
    /// How much of it is done.
    #[serde(rename = "progressDetail")]
    pub progress: Option<Amount>,
    /// What was pushed.
    pub aux: Option<PushedImage>,
    /// Why it ended.
    pub error: Option<String>,
}

/// How much of something is done, in bytes; the engine writes -1 or nothing for what it does not know.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Amount {
    /// What is done.
    pub current: Option<i64>,
    /// The whole.
    pub total: Option<i64>,
}

/// What a registry has been given.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct PushedImage {
    /// The digest of the manifest.
    pub digest: String,
    /// The size of the manifest, in bytes.
    pub size: u64,
}

/// The records of a transfer. The engine gives the transfer up when this is dropped.
pub type TransferRecords = Records<TransferRecord>;

impl EngineSocket {
    /// Begins a transfer, as soon as the engine has something to tell of it or refuses it.
    pub async fn transfer(
        &self,
        direction: Direction,
        reference: &Reference,
        auth: Option<&RegistryAuth>,
    ) -> Result<TransferRecords, EngineError> {
        let (path, header) = match direction {
            // An empty tag: the name has its own.
            Direction::Pull => {
                let name = reference.to_string();
                (format!("/images/create?fromImage={}&tag=", escaped(&name)), auth.map(RegistryAuth::header))
            }
            Direction::Push => {
                let (name, tag) = (reference.name(), reference.tag.as_deref().unwrap_or_default());
                let path = format!("/images/{}/push?tag={}", escaped(&name), escaped(tag));
                (path, Some(auth.map_or_else(RegistryAuth::nobodys_header, RegistryAuth::header)))
            }
        };
        let header = header.map(|value| (REGISTRY_AUTH, value));
        let reader = self.streamed_with(Method::POST, &path, header).await?;
        Ok(Records::new(reader))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records(text: &'static str) -> TransferRecords {
        Records::new(Box::pin(text.as_bytes()))
    }

    #[tokio::test]
    async fn records_are_read_to_the_end_with_what_is_new_in_them() {
        let mut records = records(concat!(
            "{\"status\":\"Pulling from a\",\"id\":\"1\"}\r\n\n",
            "{\"status\":\"Downloading\",\"progressDetail\":{\"current\":5,\"total\":-1},\"more\":[1],\"id\":\"b\"}\n",
            "{\"progressDetail\":{},\"aux\":{\"Tag\":\"1\",\"Digest\":\"sha256:c\",\"Size\":9}}",
        ));
        let first = records.next().await.unwrap().unwrap();
        assert_eq!((first.id.as_deref(), first.status.as_deref()), (Some("1"), Some("Pulling from a")));
        let amount = records.next().await.unwrap().unwrap().progress.unwrap();
        assert_eq!((amount.current, amount.total), (Some(5), Some(-1)));
        let pushed = records.next().await.unwrap().unwrap().aux.unwrap();
        assert_eq!(pushed, PushedImage { digest: "sha256:c".into(), size: 9 });
        assert!(records.next().await.unwrap().is_none());
        assert!(records.next().await.unwrap().is_none(), "the end stays the end");
    }

    #[tokio::test]
    async fn what_is_no_record_is_an_error() {
        assert!(matches!(records("nonsense\n").next().await, Err(EngineError::Protocol(_))));
    }
}
