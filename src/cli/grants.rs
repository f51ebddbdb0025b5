//! Tokens and roles as a command on the host reaches them: by the files, whether the daemon runs or not.

use std::io;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::{Failure, remark};
use crate::access::{self, AS_DAEMON, Access, TokenId};
use crate::audit::{self, Action};
use crate::config::{Host, os_user};

/// The files of the daemon of this folder.
pub(super) struct Grants {
    /// Tokens and roles.
    pub access: Access,
    /// The administrator's user, where it is set.
    pub administrator: Option<String>,
    /// Who runs the command, as the audit log names them.
    pub user: String,
    logs: PathBuf,
}

impl Grants {
    /// Opens them as the daemon's user.
    pub fn open() -> Result<Self, Failure> {
        let Host { data_dir, administrator } = Host::load(Path::new("."))?;
        let user = format!("cli:{}", os_user());
        access::act_as_owner(&data_dir)?;
        let folder = data_dir.join("access");
        let shown = folder.display().to_string();
        let access = Access::open(folder).map_err(|error| failed(&shown, &error))?;
        for problem in access.problems() {
            remark(&format!("wharfinger: {problem}"));
        }
        Ok(Self { access, administrator, user, logs: data_dir.join("logs") })
    }

    /// Writes a line to the audit log, as the daemon would.
    pub fn log(
        &self,
        action: &'static str,
        path: &str,
        id: TokenId,
        more: Map<String, Value>,
    ) -> Result<(), Failure> {
        let mut noted = Map::from_iter([("token_id".to_owned(), id.to_string().into())]);
        noted.extend(more);
        let action = Action {
            timestamp: audit::now(),
            id: audit::new_id(),
            request_id: uuid::Uuid::now_v7().to_string(),
            action,
            user: Some(self.user.clone()),
            method: "CLI".to_owned(),
            path: path.to_owned(),
            status: Some(0),
            duration_ms: Some(0),
            more: noted,
            ..Action::default()
        };
        audit::append(&self.logs, &action).map_err(|error| failed(&self.logs.display().to_string(), &error))
    }

    /// What is said when the files of tokens cannot be written.
    pub fn unwritten(error: &io::Error) -> Failure {
        failed("the folder of tokens", error)
    }
}

fn failed(what: &str, error: &io::Error) -> Failure {
    let is_closed = error.kind() == io::ErrorKind::PermissionDenied;
    let remedy = if is_closed { format!(": {AS_DAEMON}") } else { String::new() };
    format!("{what} cannot be used: {error}{remedy}").into()
}
