//! The terminal over HTTP: refusals before the upgrade, then the socket.

use std::time::Instant;

use actix_web::{HttpMessage, HttpRequest, HttpResponse, get, web};
use tokio::sync::mpsc;
use utoipa::IntoParams;

use super::audit::Entry;
use super::auth::TICKET;
use super::error::{ApiError, ApiResult};
use super::query::Query;
use super::request_id::RequestId;
use super::ws::{self, Patience};
use super::{State, frame_lengths, schemas};
use crate::audit::Action;
use crate::codes::Code;
use crate::container::rules;
use crate::service::{Error, Principal, Result, SessionSummary, TerminalQuery};

/// How many frames wait between the socket and the session, each way; then the sender waits.
const WAITING_FRAMES: usize = 8;

/// What a terminal is to be.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "stands in the OpenAPI document; `Query` reads the values")]
pub struct TerminalParams {
    /// Columns.
    #[param(required = false, minimum = 1, maximum = 1000)]
    cols: u16,
    /// Rows.
    #[param(required = false, minimum = 1, maximum = 1000)]
    rows: u16,
    /// With a PTY; the default is true when `cols` or `rows` is given.
    #[param(required = false)]
    tty: bool,
    /// The program and its arguments, one each; a shell when left out.
    #[param(required = false, style = Form, explode = true, schema_with = schemas::cmd_parameter)]
    cmd: Vec<String>,
    /// Who it runs as.
    #[param(required = false, schema_with = schemas::user_parameter)]
    user: String,
    /// Where it runs.
    #[param(required = false, schema_with = schemas::working_dir_parameter)]
    working_dir: String,
    /// `K=V`, one each.
    #[param(required = false, style = Form, explode = true, schema_with = schemas::env_parameter)]
    env: Vec<String>,
    /// `attach`: the container's own output, and its standard input where it is open.
    #[param(required = false, pattern = "^(shell|attach)$", default = "shell")]
    mode: String,
}

/// Opens a terminal over a WebSocket.
///
/// JSON text frames. From the client: `{"type":"stdin","data":"…","encoding":"utf8"|"base64"}`,
/// `{"type":"resize","cols":n,"rows":n}`, `{"type":"signal","name":"INT"}`, `{"type":"eof"}`, `{"type":"close"}`.
/// From the server: `ready`, `stdout`, `stderr`, `exit` with `code`, `error` with this API's error.
#[utoipa::path(tag = "terminal", params(TerminalParams), responses(
    (status = 101, description = "the socket is open"),
))]
#[get("/ws/{id}")]
pub async fn open(
    state: web::Data<State>,
    request: HttpRequest,
    principal: Principal,
    id: web::Path<String>,
    payload: web::Payload,
) -> ApiResult<HttpResponse> {
    let query = read(&request)?;
    let request_id = request.extensions().get::<RequestId>().map(|id| id.0.clone()).unwrap_or_default();
    let terminal = state.service.open_terminal(&id, query, (&principal, &request_id))?;
    let payload =
        frame_lengths::limited(&request, payload, ws::MAX_MESSAGE).await.map_err(|_| not_a_socket())?;
    let (response, session, messages) = actix_ws::handle(&request, payload).map_err(|_| not_a_socket())?;
    let (to_session, from_client) = mpsc::channel(WAITING_FRAMES);
    let (to_client, from_session) = mpsc::channel(WAITING_FRAMES);
    let line = closing_line(&state, &request, terminal.cuid.to_string(), request_id);
    terminal.serve(from_client, to_client, line);
    actix_web::rt::spawn(ws::carry(session, messages, to_session, from_session, Patience::default()));
    Ok(response)
}

fn not_a_socket() -> ApiError {
    ApiError::new(Code::InvalidHeader, "this path is a WebSocket: open it with a WebSocket client")
}

fn read(request: &HttpRequest) -> Result<TerminalQuery> {
    let known = ["cols", "rows", "tty", "cmd", "user", "working_dir", "env", "mode", TICKET];
    let query = Query::parse(request.query_string(), &known)?;
    let env = query.all("env")?;
    for variable in &env {
        let name = variable.split_once('=').map(|(name, _)| name);
        if name.is_none_or(|name| rules::env_name_problem(name).is_some()) {
            return Err(Error::invalid_query("env", "***", "has to be NAME=value"));
        }
    }
    let cmd = query.all("cmd")?;
    if cmd.first().is_some_and(String::is_empty) {
        return Err(Error::invalid_query("cmd", "", "has to name a program"));
    }
    Ok(TerminalQuery {
        cols: query.number("cols", 1, 1000)?,
        rows: query.number("rows", 1, 1000)?,
        tty: query.flag("tty")?,
        cmd,
        user: checked(&query, "user", rules::user_problem)?,
        working_dir: checked(&query, "working_dir", rules::container_path_problem)?,
        env,
        attach: query.word("mode", &["shell", "attach"])? == Some("attach"),
    })
}

fn checked(
    query: &Query,
    name: &str,
    problem: impl Fn(&str) -> Option<&'static str>,
) -> Result<Option<String>> {
    let text = query.text(name)?;
    match text.as_deref().and_then(problem) {
        Some(rule) => Err(Error::invalid_query(name, text.as_deref().unwrap_or_default(), rule)),
        None => Ok(text),
    }
}

/// What writes the line of the terminal's close. What was typed and printed is not part of it.
fn closing_line(
    state: &web::Data<State>,
    request: &HttpRequest,
    cuid: String,
    request_id: String,
) -> impl FnOnce(SessionSummary) + Send + use<> {
    let (state, started) = (state.clone(), Instant::now());
    let action = Action {
        request_id,
        action: "terminal.close",
        remote: super::gate::remote(request),
        method: request.method().to_string(),
        path: request.path().to_owned(),
        cuid: Some(cuid),
        status: Some(101),
        ..super::gate::signature(request)
    };
    move |summary| {
        let mut action = action;
        state.metrics.terminal_closed(summary.reason);
        action.more.insert("session".to_owned(), summary.session.into());
        action.more.insert("reason".to_owned(), summary.reason.into());
        action.more.insert("exit_code".to_owned(), summary.exit_code.into());
        action.more.insert("bytes_in".to_owned(), summary.bytes_in.into());
        action.more.insert("bytes_out".to_owned(), summary.bytes_out.into());
        Entry::new(state, action, started).write();
    }
}
