//! `wharfinger role list`: the roles that a token can have.

use clap::{Args, Subcommand};
use serde_json::json;

use super::grants::Grants;
use super::{Failure, say, table};

const EXAMPLE: &str = "\
Examples:
  wharfinger role list
  wharfinger role list --json

Roles beside the three built-in ones are made over the API: PUT /roles/{name}.";

/// What is to be done with roles.
#[derive(Subcommand)]
pub(super) enum RoleCommand {
    /// Lists the roles and what each permits
    #[command(after_help = EXAMPLE)]
    List(List),
}

/// The arguments of `role list`.
#[derive(Args)]
pub(super) struct List {
    /// Prints JSON, as GET /roles does
    #[arg(long)]
    json: bool,
}

pub(super) fn run(command: &RoleCommand) -> Result<(), Failure> {
    let RoleCommand::List(list) = command;
    let roles = Grants::open()?.access.roles().all();
    if list.json {
        let role = |role: &crate::access::Role| json!({"name": role.name, "permissions": role.permissions.words(), "built_in": role.built_in});
        let roles: Vec<_> = roles.iter().map(role).collect();
        return say(&format!("{:#}", json!({"roles": roles})));
    }
    let row = |role: crate::access::Role| {
        let is_built_in = if role.built_in { "yes" } else { "no" };
        [role.name, is_built_in.to_owned(), table::words(&role.permissions.words())]
    };
    let rows: Vec<_> = roles.into_iter().map(row).collect();
    say(&table::render(["NAME", "BUILT-IN", "PERMISSIONS"], &rows))
}
