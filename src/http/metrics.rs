//! `GET /metrics`: what Prometheus reads.

use std::time::Duration;

use actix_web::{HttpRequest, HttpResponse, get, web};
use prometheus::core::{AtomicF64, AtomicU64, GenericCounter, GenericCounterVec};
use prometheus::{Gauge, GaugeVec, HistogramOpts, HistogramVec, Opts, Registry, TextEncoder};

use super::State;
use super::error::{ApiError, ApiResult};
use super::query::Query;
use super::routes;
use crate::audit::Action;
use crate::codes::Code;
use crate::service::{Figures, Principal};

/// The text format's own media type.
const TEXT_FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";
/// From an answer out of memory to a change that Compose needs its whole time for, in seconds.
const BUCKETS: [f64; 14] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0, 120.0];

type Counters = GenericCounterVec<AtomicU64>;

/// A number that only grows.
pub type Counter = GenericCounter<AtomicU64>;

/// What is counted as it happens.
pub struct Metrics {
    registry: Registry,
    requests: Counters,
    latency: HistogramVec,
    changes: Counters,
    change_duration: HistogramVec,
    received: Counters,
    sent: Counters,
    closed: Counters,
}

impl Metrics {
    /// Nothing has been counted yet.
    pub fn new() -> prometheus::Result<Self> {
        let registry = Registry::new();
        let counters = |name: &str, help: &str, labels: &[&str]| {
            let counters = Counters::new(Opts::new(name, help), labels)?;
            registry.register(Box::new(counters.clone()))?;
            Ok::<_, prometheus::Error>(counters)
        };
        let histograms = |name: &str, help: &str| {
            let options = HistogramOpts::new(name, help).buckets(BUCKETS.to_vec());
            let histograms = HistogramVec::new(options, &["action"])?;
            registry.register(Box::new(histograms.clone()))?;
            Ok::<_, prometheus::Error>(histograms)
        };
        Ok(Self {
            requests: counters(
                "wharfinger_http_requests_total",
                "Requests that were answered, by the action's name in the audit log and the status.",
                &["action", "status"],
            )?,
            latency: histograms(
                "wharfinger_http_request_duration_seconds",
                "From a request's head to the head of its answer.",
            )?,
            changes: counters(
                "wharfinger_changes_total",
                "Changes that have ended, by what came of them: ok, or the error's code.",
                &["action", "outcome"],
            )?,
            change_duration: histograms(
                "wharfinger_change_duration_seconds",
                "From a change's request to the end of its answer.",
            )?,
            received: counters(
                "wharfinger_http_received_bytes_total",
                "Bytes of requests' bodies.",
                &["action"],
            )?,
            sent: counters("wharfinger_http_sent_bytes_total", "Bytes of answers' bodies.", &["action"])?,
            closed: counters(
                "wharfinger_terminals_closed_total",
                "Terminals that have ended, by why.",
                &["reason"],
            )?,
            registry,
        })
    }

    /// The head of an answer is on its way; its body may take longer.
    pub fn answered(&self, action: &Action, after: Duration) {
        let status = action.status.unwrap_or_default().to_string();
        self.requests.with_label_values(&[action.action, &status]).inc();
        self.latency.with_label_values(&[action.action]).observe(after.as_secs_f64());
    }

    /// A request has ended, whatever came of it.
    pub fn ended(&self, action: &Action) {
        if !routes::is_change(action.action) {
            return;
        }
        self.changes.with_label_values(&[action.action, action.code.unwrap_or("ok")]).inc();
        let after = Duration::from_millis(action.duration_ms.unwrap_or_default());
        self.change_duration.with_label_values(&[action.action]).observe(after.as_secs_f64());
    }

    /// What counts the bytes of an answer.
    #[must_use]
    pub fn sent(&self, action: &str) -> Counter {
        self.sent.with_label_values(&[action])
    }

    /// What counts the bytes that a request brings.
    #[must_use]
    pub fn received(&self, request: &HttpRequest) -> Counter {
        let route = routes::find(request.method(), &routes::path_of(request.uri()));
        self.received.with_label_values(&[route.map_or("http.unknown", |route| route.action)])
    }

    /// A terminal has ended.
    pub fn terminal_closed(&self, reason: &str) {
        self.closed.with_label_values(&[reason]).inc();
    }
}

/// The daemon's figures in Prometheus' text format.
///
/// Times are in seconds, sizes in bytes; what ends in `_total` only grows, and begins anew with the daemon.
#[utoipa::path(tag = "health", responses(
    (status = 200, description = "the figures", body = String, content_type = "text/plain"),
))]
#[get("/metrics")]
pub async fn show(
    state: web::Data<State>,
    principal: Principal,
    request: HttpRequest,
) -> ApiResult<HttpResponse> {
    Query::parse(request.query_string(), &[])?;
    let figures = state.service.figures(&principal).await?;
    let text = render(&state.metrics, &figures).map_err(|error| {
        ApiError::new(Code::InternalError, format!("the figures cannot be written: {error}"))
    })?;
    Ok(HttpResponse::Ok().content_type(TEXT_FORMAT).body(text))
}

fn render(metrics: &Metrics, figures: &Figures) -> prometheus::Result<String> {
    let mut families = metrics.registry.gather();
    families.extend(of_this_moment(figures)?.gather());
    TextEncoder::new().encode_to_string(&families)
}

/// What is not counted but looked at.
struct Looked(Registry);

impl Looked {
    fn gauge(&self, name: &str, help: &str, value: f64) -> prometheus::Result<()> {
        let gauge = Gauge::new(name, help)?;
        gauge.set(value);
        self.0.register(Box::new(gauge))
    }

    fn counter(&self, name: &str, help: &str, total: f64) -> prometheus::Result<()> {
        let counter = GenericCounter::<AtomicF64>::new(name, help)?;
        counter.inc_by(total);
        self.0.register(Box::new(counter))
    }

    /// One gauge for each of several things, or one thing that is 1 and named by its labels.
    fn gauges<'a>(
        &self,
        (name, help): (&str, &str),
        labels: &[&str],
        values: impl IntoIterator<Item = (Vec<&'a str>, f64)>,
    ) -> prometheus::Result<()> {
        let gauges = GaugeVec::new(Opts::new(name, help), labels)?;
        for (of, value) in values {
            gauges.with_label_values(&of).set(value);
        }
        self.0.register(Box::new(gauges))
    }
}

#[expect(clippy::cast_precision_loss, reason = "Prometheus' own numbers are floats")]
fn of_this_moment(figures: &Figures) -> prometheus::Result<Registry> {
    let looked = Looked(Registry::new());
    let yes = |is: bool| f64::from(u8::from(is));
    let engine = figures.engine_version.as_deref().unwrap_or_default();
    let versions = vec![env!("CARGO_PKG_VERSION"), engine, &figures.compose_version];
    looked.gauges(
        ("wharfinger_build_info", "Always 1; its labels are the versions."),
        &["version", "engine_version", "compose_version"],
        [(versions, 1.0)],
    )?;
    looked.gauge("wharfinger_engine_up", "Whether the engine answers.", yes(figures.is_engine_up))?;
    looked.gauge("wharfinger_able", "Whether the daemon can do its work.", yes(figures.is_able))?;
    looked.gauge("wharfinger_problems", "How many things are wrong.", figures.problems as f64)?;
    looked.gauge(
        "wharfinger_audit_failing",
        "Whether the last line of the audit log could not be written.",
        yes(figures.is_audit_failing),
    )?;
    if let Some(age) = figures.live_view_age {
        let help = "How long ago the states in memory were last known to be true.";
        looked.gauge("wharfinger_live_view_age_seconds", help, age.as_secs_f64())?;
    }
    let containers = figures.containers.iter().map(|(status, count)| (vec![*status], *count as f64));
    looked.gauges(("wharfinger_containers", "Containers, by status."), &["status"], containers)?;
    let help = "Containers with a change that runs or waits.";
    looked.gauge("wharfinger_containers_changing", help, figures.changing as f64)?;
    let help = "Terminals that are open, and commands that run.";
    looked.gauge("wharfinger_terminals_open", help, figures.terminals as f64)?;
    looked.counter(
        "wharfinger_terminal_typed_bytes_total",
        "Bytes typed in terminals.",
        figures.typed as f64,
    )?;
    let help = "Bytes printed in terminals.";
    looked.counter("wharfinger_terminal_printed_bytes_total", help, figures.printed as f64)?;
    looked.gauge("wharfinger_streams_open", "Answers that go on.", figures.streams as f64)?;
    of_process(&looked, figures)?;
    Ok(looked.0)
}

/// The names and helps are those of Prometheus' own client libraries.
#[expect(clippy::cast_precision_loss, reason = "Prometheus' own numbers are floats")]
fn of_process(looked: &Looked, figures: &Figures) -> prometheus::Result<()> {
    let Some(process) = figures.process else { return Ok(()) };
    let memory = process.resident_memory as f64;
    looked.gauge("process_resident_memory_bytes", "Resident memory size in bytes.", memory)?;
    let memory = process.virtual_memory as f64;
    looked.gauge("process_virtual_memory_bytes", "Virtual memory size in bytes.", memory)?;
    let help = "Total user and system CPU time spent in seconds.";
    looked.counter("process_cpu_seconds_total", help, process.processor_time.as_secs_f64())?;
    let open = process.open_files as f64;
    looked.gauge("process_open_fds", "Number of open file descriptors.", open)?;
    if let Some(most) = process.max_open_files {
        looked.gauge("process_max_fds", "Maximum number of open file descriptors.", most as f64)?;
    }
    looked.gauge("process_threads", "Number of OS threads in the process.", process.threads as f64)?;
    let help = "Start time of the process since unix epoch in seconds.";
    looked.gauge("process_start_time_seconds", help, process.started as f64)
}
