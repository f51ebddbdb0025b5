//! What containers use, over HTTP.

use actix_web::{HttpRequest, HttpResponse, get, web};
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use super::State;
use super::accept::Form;
use super::error::ApiResult;
use super::query::Query;
use super::streaming::{self, LastBody, Record};
use crate::service::Principal;
use crate::service::Sample;

/// One sample or many.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "stands in the OpenAPI document; `Query` reads the values")]
pub struct StatsParams {
    /// A sample a second, in place of one.
    #[param(required = false, default = false)]
    stream: bool,
}

/// What a container uses.
#[derive(Serialize, ToSchema)]
#[schema(as = Stats)]
pub struct StatsBody {
    /// The container's cuid.
    id: String,
    /// Its name, if it has one.
    name: Option<String>,
    /// When it was measured.
    #[schema(format = DateTime)]
    timestamp: String,
    /// How busy it was since the measurement before, in percent of one processor.
    cpu: f64,
    /// Processor time since its start, in nanoseconds.
    cpu_nano: u64,
    /// Of it within the kernel.
    system_nano: u64,
    /// Memory in bytes, as `docker stats` counts: without the file cache that could be given back at once.
    mem_usage: u64,
    /// The most memory it may have, in bytes; what the host has where there is no limit.
    mem_limit: u64,
    /// Memory in percent of the limit.
    mem_perc: f64,
    /// Bytes received from the network since its start.
    net_input: u64,
    /// Bytes sent.
    net_output: u64,
    /// Bytes read from block devices since its start.
    block_input: u64,
    /// Bytes written to them.
    block_output: u64,
    /// Processes and threads.
    pids: u64,
}

/// What all containers use that run.
#[derive(Serialize, ToSchema)]
#[schema(as = StatsList)]
pub struct StatsListBody {
    /// A sample of each.
    stats: Vec<StatsBody>,
}

/// One line of a stream of samples.
#[derive(ToSchema)]
#[schema(as = StatsLine)]
#[serde(untagged)]
#[expect(dead_code, reason = "stands in the OpenAPI document")]
pub enum StatsLine {
    /// A sample.
    Record(StatsBody),
    /// The last line.
    End(LastBody),
}

impl From<&Sample> for StatsBody {
    #[expect(clippy::cast_precision_loss, reason = "a percentage needs no more than 52 bits")]
    fn from(sample: &Sample) -> Self {
        let usage = &sample.usage;
        let mem_perc = match usage.memory_limit {
            0 => 0.0,
            limit => usage.memory as f64 / limit as f64 * 100.0,
        };
        Self {
            id: sample.cuid.to_string(),
            name: sample.name.clone(),
            timestamp: format!("{:.9}", usage.at),
            cpu: rounded(sample.cpu),
            cpu_nano: usage.cpu_nano,
            system_nano: usage.system_nano,
            mem_usage: usage.memory,
            mem_limit: usage.memory_limit,
            mem_perc: rounded(mem_perc),
            net_input: usage.net_input,
            net_output: usage.net_output,
            block_input: usage.block_input,
            block_output: usage.block_output,
            pids: usage.pids,
        }
    }
}

fn rounded(percent: f64) -> f64 {
    (percent * 10_000.0).round() / 10_000.0
}

impl Record for Sample {
    fn json(&self) -> impl Serialize {
        StatsBody::from(self)
    }
}

/// What a container uses: one sample, or with `stream=true` one a second until it ends.
///
/// One sample is two measurements, at least 0.2 s apart. Engines measure when their own clock comes round, and
/// Docker 20.10 does once a second: there a sample takes about 1 s. A stream goes on when the container is
/// restarted or made anew, and gives a slow client the newest sample, not every one; its form goes by `Accept`: a
/// JSON object a line (the default) or server-sent events.
#[utoipa::path(tag = "streams", params(StatsParams), responses(
    (status = 200, description = "the sample, or the samples", content(
        (StatsBody = "application/json"),
        (StatsLine = "application/x-ndjson"),
        (String = "text/event-stream"),
    )),
))]
#[get("/containers/{id}/stats")]
pub async fn one(
    state: web::Data<State>,
    request: HttpRequest,
    id: web::Path<String>,
) -> ApiResult<HttpResponse> {
    if !is_stream(&request)? {
        let sample = state.service.stats(&id).await?;
        return Ok(HttpResponse::Ok().json(StatsBody::from(&sample)));
    }
    let form = Form::accepted(&request, Form::RECORDS);
    let source = state.service.stats_stream(&id).await?;
    Ok(streaming::answer(&state, &request, form, source, streaming::no_text()))
}

/// What all containers use that run: one sample each, or with `stream=true` one each a second.
///
/// Containers are measured 16 at a time, so that up to 16 take as long as one does: about 1 s with Docker 20.10.
/// The stream has a record for each container that runs, every second, in no order; containers come and go, and it
/// ends with the daemon or the engine alone.
#[utoipa::path(tag = "streams", params(StatsParams), responses(
    (status = 200, description = "the samples", content(
        (StatsListBody = "application/json"),
        (StatsLine = "application/x-ndjson"),
        (String = "text/event-stream"),
    )),
))]
#[get("/stats")]
pub async fn of_all(
    state: web::Data<State>,
    principal: Principal,
    request: HttpRequest,
) -> ApiResult<HttpResponse> {
    if !is_stream(&request)? {
        let samples = state.service.stats_of_all(&principal).await?;
        let body = StatsListBody { stats: samples.iter().map(StatsBody::from).collect() };
        return Ok(HttpResponse::Ok().json(body));
    }
    let form = Form::accepted(&request, Form::RECORDS);
    let source = state.service.stats_of_all_stream(principal)?;
    Ok(streaming::answer(&state, &request, form, source, streaming::no_text()))
}

fn is_stream(request: &HttpRequest) -> ApiResult<bool> {
    let query = Query::parse(request.query_string(), &["stream"])?;
    Ok(query.flag("stream")?.unwrap_or(false))
}
