//! Which engine runs the containers.

/// Which engine it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EngineKind {
    /// Docker, or one that says nothing else of itself.
    Docker,
    /// Podman's service.
    Podman,
}

impl EngineKind {
    /// Its name, as the API writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Docker => "docker",
            Self::Podman => "podman",
        }
    }
}
