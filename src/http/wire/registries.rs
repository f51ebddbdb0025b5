//! The bodies of answers about registries.

use serde::Serialize;
use utoipa::ToSchema;

/// A registry for which credentials are kept.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Registry)]
pub struct RegistryBody {
    /// Its host as image names begin with it; Docker Hub is `docker.io`.
    #[schema(example = "docker.io")]
    pub host: String,
}

/// All of them.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Registries)]
pub struct RegistriesBody {
    /// By host.
    pub registries: Vec<RegistryBody>,
}

/// A registry whose credentials are gone.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ForgottenRegistry)]
pub struct ForgottenBody {
    /// Its host.
    pub host: String,
    /// True.
    pub deleted: bool,
}
