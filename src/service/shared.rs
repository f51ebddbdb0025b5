//! What containers have in common, and what of the host they mount: networks, volumes, folders.

use super::claims::{Claim, Shared};
use super::{Error, Result, Service};
use crate::access::Principal;
use crate::codes::Code;
use crate::container::compose_file::OwnVolume;
use crate::container::options::Mounted;
use crate::container::{Cuid, Spec};
use crate::engine::{EngineError, Owned};
use crate::files::FilesError;

/// What was made for a change, to be taken away when it fails.
#[derive(Debug, Default)]
pub(super) struct Made {
    volumes: Vec<String>,
    /// Held until the container's file names what it shares.
    claim: Option<Claim>,
}

impl Service {
    /// Makes the networks and volumes that a container names and that are missing. What someone else made is
    /// refused unless it is allowed, or was the container's own before; and what is not theirs to a limited
    /// caller. None asks where a container only gets back what it had.
    pub(super) async fn make_shared(
        &self,
        (cuid, principal): (Cuid, Option<&Principal>),
        spec: &Spec,
        before: Option<&Spec>,
        made: &mut Made,
    ) -> Result<()> {
        let _turn = self.sharing.lock().await;
        if let Some(principal) = principal {
            self.all_must_be_theirs(principal, spec).await?;
            made.claim = Some(self.claims.claim(cuid, spec));
        }
        let engine = &self.parts.engine;
        let had = |spec: Option<&Spec>, volume: &str| {
            spec.is_some_and(|spec| spec.options.volumes().any(|mounted| mounted.source == volume))
        };
        for volume in spec.options.volumes() {
            let name = volume.source;
            let owned = if let Some(owned) = engine.volume(name).await? {
                owned
            } else {
                made.volumes.push(name.to_owned());
                let owned = engine.make_volume(name, cuid).await?;
                if owned == Owned::Foreign {
                    // Someone else was faster.
                    made.volumes.pop();
                }
                owned
            };
            if owned == Owned::Foreign && !had(before, name) {
                self.must_be_allowed("volume", name, &format!("mounts[{}].source", volume.index), "mounts")?;
            }
        }
        let Some(network) = spec.options.shared_network() else { return Ok(()) };
        if network == self.parts.settings.surroundings.network {
            return self.must_be_allowed("network", network, "network", "network");
        }
        match engine.shared_network(network).await? {
            None => engine.make_shared_network(network, cuid).await.map_err(of_network),
            Some(Owned::Ours) => Ok(()),
            Some(Owned::Foreign)
                if before.and_then(|spec| spec.options.shared_network()) == Some(network) =>
            {
                Ok(())
            }
            Some(Owned::Foreign) => self.must_be_allowed("network", network, "network", "network"),
        }
    }

    /// Fails with the first of what a container is to share that a limited caller may not name.
    async fn all_must_be_theirs(&self, principal: &Principal, spec: &Spec) -> Result<()> {
        if !principal.is_limited() {
            return Ok(());
        }
        let engine = &self.parts.engine;
        for volume in spec.options.volumes() {
            let is_there = engine.volume(volume.source).await?.is_some();
            let field = format!("mounts[{}].source", volume.index);
            let shared = Shared { kind: "volume", name: volume.source, field: &field, is_there };
            self.must_be_theirs(principal, shared)?;
        }
        let Some(name) = spec.options.shared_network() else { return Ok(()) };
        let is_there = engine.shared_network(name).await?.is_some();
        self.must_be_theirs(principal, Shared { kind: "network", name, field: "network", is_there })
    }

    fn must_be_allowed(&self, kind: &str, name: &str, field: &str, option: &str) -> Result<()> {
        if self.parts.settings.allowed.permits(kind, Some(name)) {
            return Ok(());
        }
        let message = format!(
            "the {kind} {name} was not made by this API: choose another name; the administrator can allow it \
             with APP_ALLOW={kind}:{name}"
        );
        Err(Error::new(Code::OptionNotAllowed, message)
            .with("field", field)
            .with("option", option)
            .with("provided", name)
            .with("allow", format!("{kind}:{name}")))
    }

    /// Takes away what a failed change made and no container has: nothing is in it.
    pub(super) async fn take_away(&self, made: Made, spec: &Spec) {
        let Made { volumes, claim } = made;
        drop(claim);
        self.remove_volumes(volumes).await;
        self.release_network(spec).await;
    }

    /// The volumes that go with a container.
    pub(super) async fn own_volumes(&self, cuid: Cuid) -> Vec<OwnVolume> {
        self.parts.engine.anonymous_volumes(cuid).await.unwrap_or_else(|error| {
            tracing::warn!(%cuid, %error, "the volumes of a container could not be read");
            Vec::new()
        })
    }

    /// Removes those of a container's own volumes that none has any more.
    pub(super) async fn remove_unused(&self, volumes: Vec<OwnVolume>) {
        self.remove_volumes(volumes.into_iter().map(|volume| volume.name).collect()).await;
    }

    async fn remove_volumes(&self, names: Vec<String>) {
        for name in names {
            if let Err(error) = self.parts.engine.remove_volume(&name).await {
                tracing::warn!(name, %error, "a volume that no container has could not be removed");
            }
        }
    }

    /// Removes a network of ours that no container names any more, and none that is being made.
    pub(super) async fn release_network(&self, spec: &Spec) {
        let Some(network) = spec.options.shared_network() else { return };
        let _turn = self.sharing.lock().await;
        let is_named = self.catalog.all().iter().any(|known| {
            known
                .definition
                .as_ref()
                .is_ok_and(|definition| definition.spec.options.shared_network() == Some(network))
        });
        if is_named || self.claims.is_network_claimed(network) {
            return;
        }
        if let Err(error) = self.parts.engine.remove_shared_network(network).await {
            tracing::warn!(network, %error, "a network that no container names could not be removed");
        }
    }

    /// Whether every path of the host that the container mounts is there, and no part of it a link.
    pub(super) async fn binds_must_be_sound(&self, spec: &Spec) -> Result<()> {
        for Mounted { index, source } in spec.options.binds() {
            match self.parts.files.check_bind_source(source).await {
                Err(error @ FilesError::BindSource { .. }) => {
                    return Err(Error::new(Code::InvalidValue, error.to_string())
                        .with("field", format!("mounts[{index}].source"))
                        .with("provided", source));
                }
                result => result?,
            }
        }
        Ok(())
    }
}

/// The engine's refusal to make a network, in words that help.
fn of_network(error: EngineError) -> Error {
    let refusal = match &error {
        EngineError::Api { message, .. } => super::refusals::of_output(message),
        _ => None,
    };
    refusal.unwrap_or_else(|| error.into())
}
