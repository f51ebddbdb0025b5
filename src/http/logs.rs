//! What a container prints, over HTTP.

use std::collections::HashMap;

use actix_web::{HttpRequest, HttpResponse, get, web};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use super::accept::Form;
use super::error::ApiResult;
use super::query::Query;
use super::streaming::{self, LastBody, Print, Record};
use super::{State, schemas};
use crate::service::{Error, LogRecord, LogsQuery, Result};

/// Which part of the output is asked for.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "stands in the OpenAPI document; `Query` reads the values")]
pub struct LogsParams {
    /// Go on with what is still to come, over restarts and changes, until the container has ended.
    #[param(required = false, default = false)]
    follow: bool,
    /// How many of the last lines (a line over 16 KiB counts as several), or `all`.
    #[param(required = false, pattern = "^(all|[0-9]{1,18})$", default = "all", value_type = String)]
    tail: String,
    /// Nothing older: RFC 3339, Unix seconds, or a duration back from now (`10m`).
    #[param(required = false, schema_with = schemas::moment)]
    since: String,
    /// Nothing later, likewise.
    #[param(required = false, schema_with = schemas::moment)]
    until: String,
    /// In `text/plain`: the time of each line in front of it. The other forms always have it.
    #[param(required = false, default = false)]
    timestamps: bool,
    /// One of the outputs, or both.
    #[param(required = false, pattern = "^(stdout|stderr|both)$", default = "both", value_type = String)]
    stream: String,
}

/// Something that a container printed.
#[derive(Serialize, ToSchema)]
#[schema(as = LogRecord)]
pub struct LogBody<'a> {
    /// `stdout` or `stderr`.
    stream: &'static str,
    /// When.
    #[schema(format = DateTime)]
    timestamp: String,
    /// What, with its line end: a line, or a part of one that is over 16 KiB.
    data: std::borrow::Cow<'a, str>,
    /// `base64` when it is not UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false)]
    encoding: Option<&'static str>,
}

/// One line of a log.
#[derive(ToSchema)]
#[schema(as = LogLine)]
#[serde(untagged)]
#[expect(dead_code, reason = "stands in the OpenAPI document")]
pub enum LogLine {
    /// Something that was printed.
    Record(LogBody<'static>),
    /// The last line.
    End(LastBody),
}

impl Record for LogRecord {
    fn json(&self) -> impl Serialize {
        let (data, encoding) = match std::str::from_utf8(&self.bytes) {
            Ok(text) => (text.into(), None),
            Err(_) => (STANDARD.encode(&self.bytes).into(), Some("base64")),
        };
        LogBody { stream: self.stream, timestamp: format!("{:.9}", self.at), data, encoding }
    }
}

/// What a container has printed, in all its incarnations, and prints.
///
/// The form goes by `Accept`: a JSON object a line (the default), server-sent events, or text as it was
/// printed. The first two end with a record that says how the stream ended; text has none.
#[utoipa::path(tag = "streams", params(LogsParams), responses(
    (status = 200, description = "the output, the oldest first", content(
        (LogLine = "application/x-ndjson"),
        (String = "text/event-stream"),
        (String = "text/plain"),
    )),
))]
#[get("/containers/{id}/logs")]
pub async fn logs(
    state: web::Data<State>,
    request: HttpRequest,
    id: web::Path<String>,
) -> ApiResult<HttpResponse> {
    let known = ["follow", "tail", "since", "until", "timestamps", "stream"];
    let query = Query::parse(request.query_string(), &known)?;
    let form = Form::accepted(&request, Form::TEXT);
    let print = print(query.flag("timestamps")?.unwrap_or(false));
    let source = state.service.logs(&id, asked(&query)?).await?;
    Ok(streaming::answer(&state, &request, form, source, print))
}

fn asked(query: &Query) -> Result<LogsQuery> {
    let stream = query.word("stream", &["stdout", "stderr", "both"])?.unwrap_or("both");
    Ok(LogsQuery {
        follow: query.flag("follow")?.unwrap_or(false),
        tail: tail(query)?,
        since: query.moment("since")?,
        until: query.moment("until")?,
        out: stream != "stderr",
        err: stream != "stdout",
    })
}

fn tail(query: &Query) -> Result<Option<u64>> {
    const RULE: &str = "has to be a whole number of at most 18 digits, or all";
    match query.one("tail")? {
        None | Some("all") => Ok(None),
        Some(text) => {
            let is_plain = text.len() <= 18 && text.bytes().all(|byte| byte.is_ascii_digit());
            let number = text.parse().ok().filter(|_| is_plain);
            number.map(Some).ok_or_else(|| Error::invalid_query("tail", text, RULE))
        }
    }
}

/// Text as it was printed, with the time in front of each line if that is asked for.
fn print(timestamps: bool) -> Print<LogRecord> {
    // The outputs that are in the middle of a line.
    let mut within: HashMap<&'static str, bool> = HashMap::new();
    Box::new(move |record, to| {
        if timestamps && !within.insert(record.stream, !record.bytes.ends_with(b"\n")).unwrap_or(false) {
            to.extend_from_slice(format!("{:.9} ", record.at).as_bytes());
        }
        to.extend_from_slice(&record.bytes);
    })
}
