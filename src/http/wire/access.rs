//! The bodies of requests and answers about tokens, roles and tickets.

use serde::Serialize;
use utoipa::ToSchema;

use crate::http::schemas;
use crate::service::{Role, TokenPage, TokenView};

/// A token to be. Unknown fields are refused; roles or permissions have to name something.
#[derive(ToSchema)]
#[schema(as = CreateToken, example = json!({"name": "ci", "roles": ["write"], "containers": ["tag:blue"], "expires_in": "30d"}))]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "stands in the OpenAPI document; `access::request` reads the body")]
pub struct CreateTokenBody {
    /// Who it is for: the user in the audit log, and the user of Basic credentials. Not the administrator's.
    #[schema(min_length = 1, max_length = 255, pattern = r"^[^:\u0000-\u001f\u007f-\u009f]+$")]
    name: String,
    /// Roles whose permissions it has.
    #[schema(required = false, schema_with = schemas::roles_or_null)]
    roles: Option<Vec<String>>,
    /// Permissions beside those of its roles.
    #[schema(required = false, schema_with = schemas::permissions_or_null)]
    permissions: Option<Vec<String>>,
    /// The containers it knows of: cuids, names, or `tag:` and a tag; `null`: all. Those that it creates come to it.
    #[schema(required = false, schema_with = schemas::selectors_or_null)]
    containers: Option<Vec<String>>,
    /// How long it is good: seconds, or a number with `s`, `m`, `h`, `d` or `w`, up to ten years; `null`: until it is
    /// revoked.
    #[schema(required = false, schema_with = schemas::life_or_null)]
    expires_in: Option<String>,
}

/// A token, without its secret.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Token)]
pub struct TokenBody {
    /// Its id.
    pub id: String,
    /// Who it is for.
    pub name: String,
    /// Its roles.
    pub roles: Vec<String>,
    /// Its permissions beside those of its roles.
    pub permissions: Vec<&'static str>,
    /// What it may do in all at this moment.
    pub granted: Vec<&'static str>,
    /// The containers it knows of, those that it created among them; `null`: all.
    pub containers: Option<Vec<String>>,
    /// When it was made.
    #[schema(format = DateTime)]
    pub created_at: String,
    /// Who made it.
    pub created_by: String,
    /// When it ends; `null`: when it is revoked.
    #[schema(format = DateTime)]
    pub expires_at: Option<String>,
    /// Whether its time is over.
    pub expired: bool,
    /// When it was last used. After a crash it may be older than the truth, by up to 15 seconds.
    #[schema(format = DateTime)]
    pub last_used_at: Option<String>,
    /// From where it was last used.
    pub last_used_from: Option<String>,
}

/// A token that was just made.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = NewToken)]
pub struct NewTokenBody {
    /// The token itself: shown this once.
    pub token: String,
    /// The rest.
    #[serde(flatten)]
    pub made: TokenBody,
}

/// One page of tokens.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TokenPage)]
pub struct TokensBody {
    /// The tokens, by creation time.
    pub tokens: Vec<TokenBody>,
    /// Send it as `cursor` for the next page; `null`: this is the last.
    pub next_cursor: Option<String>,
    /// How many tokens there are on all pages.
    pub total: usize,
}

/// A token that was revoked.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RevokedToken)]
pub struct RevokedBody {
    /// Its id.
    pub id: String,
    /// True.
    pub deleted: bool,
}

/// What a role is to permit. Unknown fields are refused.
#[derive(ToSchema)]
#[schema(as = SetRole, example = json!({"permissions": ["docker:read", "docker:execute"]}))]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "stands in the OpenAPI document; `access::request` reads the body")]
pub struct SetRoleBody {
    /// All that it permits.
    #[schema(schema_with = schemas::permissions)]
    permissions: Vec<String>,
}

/// A role.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Role)]
pub struct RoleBody {
    /// Its name.
    pub name: String,
    /// What it permits.
    pub permissions: Vec<&'static str>,
    /// Whether it is always there as it is.
    pub built_in: bool,
}

/// Every role.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Roles)]
pub struct RolesBody {
    /// The built-in ones first, the others by name.
    pub roles: Vec<RoleBody>,
}

/// A role that is gone.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RemovedRole)]
pub struct RemovedRoleBody {
    /// Its name.
    pub name: String,
    /// True.
    pub deleted: bool,
}

/// For which container a ticket is to be. Unknown fields are refused.
#[derive(ToSchema)]
#[schema(as = WantedTicket)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "stands in the OpenAPI document; `access::request` reads the body")]
pub struct WantedTicketBody {
    /// A cuid, or the container's unique name.
    id: String,
}

/// A ticket.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Ticket)]
pub struct TicketBody {
    /// For `/ws/{id}?ticket=…`, once.
    pub ticket: String,
    /// For how many seconds it is good.
    pub expires_in: u64,
}

impl From<TokenView> for TokenBody {
    fn from(view: TokenView) -> Self {
        let TokenView { record, granted, last_use, is_expired } = view;
        Self {
            id: record.id.to_string(),
            name: record.name,
            roles: record.roles,
            permissions: record.permissions.into_iter().map(crate::service::Permission::as_str).collect(),
            granted: granted.words(),
            containers: record.scope.words(),
            created_at: super::local_time(record.created_at),
            created_by: record.created_by,
            expires_at: record.expires_at.map(super::local_time),
            expired: is_expired,
            last_used_at: last_use.map(|last| super::local_time(last.at)),
            last_used_from: last_use.and_then(|last| last.from).map(|from| from.to_string()),
        }
    }
}

impl From<TokenPage> for TokensBody {
    fn from(page: TokenPage) -> Self {
        let TokenPage { tokens, next_cursor, total } = page;
        Self { tokens: tokens.into_iter().map(TokenBody::from).collect(), next_cursor, total }
    }
}

impl From<Role> for RoleBody {
    fn from(role: Role) -> Self {
        Self { name: role.name, permissions: role.permissions.words(), built_in: role.built_in }
    }
}
