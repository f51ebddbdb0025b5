//! Roles: listed, set, removed.

use serde_json::Value;

use super::{Error, Result, Service, may_grant, still_good};
use crate::access::request::parse_role;
use crate::access::{Access, Creator, Principal, Role, RoleRemoval, Roles};
use crate::codes::Code;

/// How many of the tokens that have a role a refusal names.
const NAMED: usize = 20;

impl Service {
    /// Every role.
    #[must_use]
    pub fn roles(&self) -> Vec<Role> {
        self.parts.access.roles().all()
    }

    /// Gives a role its permissions; says whether there was one of this name.
    pub async fn set_role(&self, principal: &Principal, name: &str, body: Value) -> Result<(Role, bool)> {
        let permissions = parse_role(name, body)?;
        if Roles::is_built_in(name) {
            return Err(built_in(name));
        }
        may_grant(principal, permissions)?;
        let role = Role { name: name.to_owned(), permissions, built_in: false };
        let (name, asks) = (name.to_owned(), principal.clone());
        let set = move |access: &Access| access.set_role(Creator::Principal(&asks), &name, permissions);
        let had = self.with_access(set).await.map_err(|error| still_good(principal, error))?;
        Ok((role, had))
    }

    /// Removes a role that no token has.
    pub async fn remove_role(&self, name: &str) -> Result<()> {
        if Roles::is_built_in(name) {
            return Err(built_in(name));
        }
        let owned = name.to_owned();
        match self.with_access(move |access| access.remove_role(&owned)).await? {
            RoleRemoval::Removed => Ok(()),
            RoleRemoval::Unknown => {
                let message = "no role has this name: GET /roles lists them";
                Err(Error::new(Code::RoleNotFound, message).with("name", name))
            }
            RoleRemoval::InUse(tokens) => {
                let count = tokens.len();
                let ids: Vec<_> = tokens.iter().take(NAMED).map(ToString::to_string).collect();
                let message = format!("{count} tokens have this role: revoke them first");
                Err(Error::new(Code::RoleInUse, message).with("name", name).with("tokens", ids))
            }
        }
    }
}

fn built_in(name: &str) -> Error {
    let message = "this role is built in and stays as it is: choose another name";
    Error::new(Code::RoleBuiltIn, message).with("name", name)
}
