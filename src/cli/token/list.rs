//! `wharfinger token list`: who has a token, and what for.

use clap::Args;
use jiff::{Timestamp, tz::TimeZone};
use serde_json::json;

use super::body;
use crate::access::TokenView;
use crate::cli::grants::Grants;
use crate::cli::{Failure, say, table};

pub(super) const EXAMPLE: &str = "\
Examples:
  wharfinger token list
  wharfinger token list --json

The daemon writes down every 15 seconds when tokens were last used. Times are those of this host.";

/// The arguments of `token list`.
#[derive(Args)]
pub(in crate::cli) struct List {
    /// Prints JSON: `tokens` with each as `GET /tokens` shows it
    #[arg(long)]
    json: bool,
}

const HEADS: [&str; 8] =
    ["ID", "NAME", "ROLES", "PERMISSIONS", "CONTAINERS", "CREATED", "EXPIRES", "LAST USED"];

pub(super) fn run(list: &List) -> Result<(), Failure> {
    let tokens = Grants::open()?.access.tokens();
    if list.json {
        let tokens: Vec<_> = tokens.iter().map(body).collect();
        return say(&format!("{:#}", json!({"tokens": tokens})));
    }
    let rows: Vec<_> = tokens.iter().map(row).collect();
    say(&table::render(HEADS, &rows))
}

fn row(view: &TokenView) -> [String; 8] {
    let record = &view.record;
    let permissions: Vec<_> = record.permissions.iter().map(|permission| permission.as_str()).collect();
    let end = match record.expires_at {
        None => "never".to_owned(),
        Some(end) if view.is_expired => format!("{} (over)", minute(end)),
        Some(end) => minute(end),
    };
    [
        record.id.to_string(),
        record.name.clone(),
        table::words(&record.roles),
        table::words(&permissions),
        record.scope.words().map_or("all".to_owned(), |words| table::words(&words)),
        minute(record.created_at),
        end,
        view.last_use.map_or("never".to_owned(), |last| minute(last.at)),
    ]
}

fn minute(at: Timestamp) -> String {
    at.to_zoned(TimeZone::system()).strftime("%F %H:%M").to_string()
}
