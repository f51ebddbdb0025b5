//! `wharfinger token revoke`: a token that is good no more.

use std::collections::BTreeSet;

use clap::Args;
use serde_json::Map;

use crate::access::TokenId;
use crate::cli::grants::Grants;
use crate::cli::{Failure, remark};

pub(super) const EXAMPLE: &str = "\
Example:
  wharfinger token revoke t3f0f5c1e-6c1a-4c8e-9d3b-2f6f0b1f9a77

`wharfinger token list` shows the ids. Where one of them is unknown nothing is revoked.";

/// The arguments of `token revoke`.
#[derive(Args)]
pub(in crate::cli) struct Revoke {
    /// The ids of the tokens
    #[arg(required = true, value_name = "ID")]
    ids: Vec<String>,
}

pub(super) fn run(asked: &Revoke) -> Result<(), Failure> {
    // What has not the form of an id is not shown: it may be the token itself.
    let ids: Result<BTreeSet<TokenId>, _> = asked.ids.iter().map(|id| id.parse()).collect();
    let ids =
        ids.map_err(|error| format!("{error}: `wharfinger token list` shows the ids; nothing was revoked"))?;
    let grants = Grants::open()?;
    if let Some(unknown) = ids.iter().find(|id| grants.access.token(**id).is_none()) {
        let rest = "`wharfinger token list` shows the ids; nothing was revoked";
        return Err(format!("no token has the id {unknown}: {rest}").into());
    }
    for id in ids {
        grants.access.revoke(id).map_err(|error| Grants::unwritten(&error))?;
        grants
            .log("token.revoke", "wharfinger token revoke", id, Map::new())
            .map_err(|error| format!("{id} is revoked, but the audit log does not say so: {error}"))?;
        remark(&format!("{id} is revoked"));
    }
    Ok(())
}
