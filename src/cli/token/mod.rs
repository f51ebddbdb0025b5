//! `wharfinger token`: tokens made, listed and revoked on the host.

mod generate;
mod list;
mod revoke;

use clap::Subcommand;
use jiff::{Timestamp, tz::TimeZone};
use serde_json::{Value, json};

use super::Failure;
use crate::access::TokenView;

/// What is to be done with tokens.
#[derive(Subcommand)]
pub(super) enum TokenCommand {
    /// Makes a token and prints it, this once
    #[command(after_help = generate::EXAMPLE)]
    Generate(generate::Generate),
    /// Lists the tokens
    #[command(after_help = list::EXAMPLE)]
    List(list::List),
    /// Revokes tokens; their open terminals and streams end within 5 seconds
    #[command(after_help = revoke::EXAMPLE)]
    Revoke(revoke::Revoke),
}

pub(super) fn run(command: TokenCommand) -> Result<(), Failure> {
    match command {
        TokenCommand::Generate(generate) => generate::run(&generate),
        TokenCommand::List(list) => list::run(&list),
        TokenCommand::Revoke(revoke) => revoke::run(&revoke),
    }
}

/// A token as the API tells of it.
fn body(view: &TokenView) -> Value {
    let record = &view.record;
    let permissions: Vec<_> = record.permissions.iter().map(|permission| permission.as_str()).collect();
    json!({
        "id": record.id.to_string(),
        "name": record.name,
        "roles": record.roles,
        "permissions": permissions,
        "granted": view.granted.words(),
        "containers": record.scope.words(),
        "created_at": time(record.created_at),
        "created_by": record.created_by,
        "expires_at": record.expires_at.map(time),
        "expired": view.is_expired,
        "last_used_at": view.last_use.map(|last| time(last.at)),
        "last_used_from": view.last_use.and_then(|last| last.from),
    })
}

fn time(at: Timestamp) -> String {
    at.to_zoned(TimeZone::system()).strftime("%FT%T%.3f%:z").to_string()
}
