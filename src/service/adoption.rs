//! What a limited token creates is its own.

use std::io::ErrorKind;

use super::{Result, Service};
use crate::access::Principal;
use crate::codes::Code;
use crate::container::Cuid;

impl Service {
    /// Lets a caller know of the container that it is about to create.
    pub(super) async fn adopt(&self, principal: &Principal, cuid: Cuid) -> Result<()> {
        if !principal.is_limited() {
            return Ok(());
        }
        let asks = principal.clone();
        let adopted = self.with_access(move |access| match access.adopt(&asks, cuid) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            adopted => adopted.map(|()| true),
        });
        if adopted.await? {
            return Ok(());
        }
        Err(super::Error::new(Code::Unauthorized, "the token was revoked before the container was created"))
    }

    /// Takes a container that is gone from whoever knew of it by its id. Where that fails, no container has the id any more.
    pub(super) async fn disown(&self, cuid: Cuid) {
        if let Err(error) = self.with_access(move |access| access.disown(cuid)).await {
            tracing::warn!(%cuid, message = error.message, "tokens still list a container that is gone");
        }
    }
}
