//! `wharfinger token generate`: a token, told once.

use clap::Args;
use serde_json::{Map, Value};

use super::body;
use crate::access::request::{AskedToken, body as request, parse_life};
use crate::access::{Creator, TokenView};
use crate::cli::grants::Grants;
use crate::cli::{Failure, remark, say, table};
use crate::container::violation::Violations;

pub(super) const EXAMPLE: &str = "\
Examples:
  wharfinger token generate -r write -u user@example.com -p docker:execute --expires 30d
  TOKEN=$(wharfinger token generate -n ci -r read -c tag:blue -c web-1)
  curl -H \"Authorization: Bearer $TOKEN\" http://localhost:8080/containers

The token stands alone on standard output; only a hash of it is kept. `wharfinger role list` shows the roles. A daemon \
that runs takes it at once.";

/// The arguments of `token generate`.
#[derive(Args)]
pub(in crate::cli) struct Generate {
    /// Who it is for: the user in the audit log, and the user where it is sent as a password
    #[arg(short, long, visible_short_alias = 'u', visible_alias = "user", value_name = "NAME")]
    name: String,
    /// A role it has; several times for several
    #[arg(short, long = "role", value_name = "ROLE")]
    roles: Vec<String>,
    /// A permission beside those of its roles, for instance docker:execute; several times for several
    #[arg(short, long = "permission", value_name = "PERMISSION")]
    permissions: Vec<String>,
    /// A container it knows of, by cuid, name or tag:TAG; several times for several. None: all containers
    #[arg(short, long = "container", value_name = "SELECTOR")]
    containers: Vec<String>,
    /// How long it is good: a number and s, m, h, d or w, up to ten years; or never
    #[arg(short, long, value_name = "TIME", default_value = NEVER, value_parser = life)]
    expires: String,
    /// Prints JSON with all about the token, as POST /tokens does
    #[arg(long)]
    json: bool,
}

/// What the audit log calls it.
const PATH: &str = "wharfinger token generate";
const NEVER: &str = "never";

fn life(text: &str) -> Result<String, &'static str> {
    if text == NEVER || parse_life(text).is_some() {
        Ok(text.to_owned())
    } else {
        Err("has to be a number and s, m, h, d or w, as in 30d, up to ten years; or never")
    }
}

pub(super) fn run(asked: &Generate) -> Result<(), Failure> {
    let grants = Grants::open()?;
    let life = Some(asked.expires.as_str()).filter(|life| *life != NEVER);
    let wanted = request(&asked.name, &asked.roles, &asked.permissions, &asked.containers, life);
    let roles = grants.access.roles();
    let wanted = AskedToken::parse(wanted, &roles, grants.administrator.as_deref());
    let wanted = wanted.map_err(|broken| explain(&broken))?;
    let (view, secret) = grants
        .access
        .create_token(wanted, Creator::Host(&grants.user))
        .map_err(|error| Grants::unwritten(&error))?;
    let told = log(&grants, &view).and_then(|()| tell(&view, &secret, asked.json));
    told.or_else(|error| take_back(&grants, &view, &error))
}

/// A token that nobody has, or that no log knows of, is not to be.
fn take_back(grants: &Grants, view: &TokenView, error: &Failure) -> Result<(), Failure> {
    let id = view.record.id;
    grants.access.revoke(id).map_err(|second| format!("{error}; nor can the token be revoked: {second}"))?;
    // Where this fails too, the log may know of a token that is not there: never the other way round.
    let _ = grants.log("token.revoke", PATH, id, Map::new());
    Err(format!("{error}: the token is revoked").into())
}

fn log(grants: &Grants, view: &TokenView) -> Result<(), Failure> {
    let granted: Map<String, Value> =
        [("granted".to_owned(), view.granted.words().into())].into_iter().collect();
    grants.log("token.create", PATH, view.record.id, granted)
}

fn tell(view: &TokenView, secret: &str, as_json: bool) -> Result<(), Failure> {
    if as_json {
        let mut made = Map::from_iter([("token".to_owned(), Value::from(secret))]);
        if let Value::Object(rest) = body(view) {
            made.extend(rest);
        }
        return say(&format!("{:#}", Value::Object(made)));
    }
    say(secret)?;
    let record = &view.record;
    let containers = record.scope.words().map_or("all containers".to_owned(), |words| table::words(&words));
    let end = record
        .expires_at
        .map_or("until it is revoked".to_owned(), |end| format!("until {}", super::time(end)));
    let (id, name, granted) = (record.id, &record.name, table::words(&view.granted.words()));
    remark(&format!("{id} for {name}: {granted}; {containers}; good {end}"));
    Ok(())
}

/// What is wrong with what was asked for, by the options' names.
fn explain(broken: &Violations) -> Failure {
    let line = |broken: &crate::container::violation::Violation| {
        let field = broken.field.split('[').next().unwrap_or_default();
        let option = match field {
            "expires_in" => "expires",
            "name" => field,
            list => list.trim_end_matches('s'),
        };
        match broken.provided.as_str() {
            Some(value) => format!("--{option} {value:?} {}", broken.message),
            None => format!("--{option} {}", broken.message),
        }
    };
    broken.as_slice().iter().map(line).collect::<Vec<_>>().join("\n").into()
}
