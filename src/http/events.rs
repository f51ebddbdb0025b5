//! What happens to containers and images, over HTTP.

use actix_web::{HttpRequest, HttpResponse, get, web};
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use super::accept::Form;
use super::error::ApiResult;
use super::query::Query;
use super::streaming::{self, LastBody, Record};
use super::{State, schemas};
use crate::service::Principal;
use crate::service::{EventKind, EventRecord, EventsQuery};

/// Which events are asked for.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "stands in the OpenAPI document; `Query` reads the values")]
pub struct EventsParams {
    /// Also those since then, as far as the engine remembers (Docker: the last 256 of all): RFC 3339, Unix
    /// seconds, or a duration back from now (`10m`).
    #[param(required = false, schema_with = schemas::moment)]
    since: String,
    /// Nothing later, likewise; the stream then ends.
    #[param(required = false, schema_with = schemas::moment)]
    until: String,
    /// One kind only.
    #[param(required = false, pattern = "^(container|image)$", value_type = String, rename = "type")]
    kind: String,
    /// One container only, by cuid or name.
    #[param(required = false)]
    cuid: String,
}

/// Something that happened.
#[derive(Serialize, ToSchema)]
#[schema(as = Event)]
pub struct EventBody {
    /// `container` or `image`.
    #[serde(rename = "type")]
    kind: &'static str,
    /// The engine's word: `create`, `start`, `die`, `pull`, …
    action: String,
    /// The container.
    cuid: Option<String>,
    /// Its name now, if it has one.
    name: Option<String>,
    /// The container's image, or the image itself, by name or id.
    image: Option<String>,
    /// When.
    #[schema(format = DateTime)]
    timestamp: String,
    /// With `die`: the exit code.
    exit_code: Option<i64>,
    /// With `kill`: the signal's number.
    signal: Option<i64>,
    /// With `health_status`: `healthy` or `unhealthy`.
    health: Option<String>,
}

/// One line of a stream of events.
#[derive(ToSchema)]
#[schema(as = EventLine)]
#[serde(untagged)]
#[expect(dead_code, reason = "stands in the OpenAPI document")]
pub enum EventLine {
    /// An event.
    Record(EventBody),
    /// The last line.
    End(LastBody),
}

impl Record for EventRecord {
    fn json(&self) -> impl Serialize {
        EventBody {
            kind: self.kind.as_str(),
            action: self.action.clone(),
            cuid: self.cuid.map(|cuid| cuid.to_string()),
            name: self.name.clone(),
            image: self.image.clone(),
            timestamp: format!("{:.9}", self.at),
            exit_code: self.exit_code,
            signal: self.signal,
            health: self.health.clone(),
        }
    }
}

/// What happens to this daemon's containers, and to images, as it happens.
///
/// Images are told of to those who have `image:read`, containers to those who know of them. Without `until` it goes on until the client leaves. Commands that run beside a container's own program
/// (`exec_…`) are not told: they may hold secrets. The form goes by `Accept`: a JSON object a line (the
/// default) or server-sent events.
#[utoipa::path(tag = "streams", params(EventsParams), responses(
    (status = 200, description = "the events", content(
        (EventLine = "application/x-ndjson"),
        (String = "text/event-stream"),
    )),
))]
#[get("/events")]
pub async fn events(
    state: web::Data<State>,
    principal: Principal,
    request: HttpRequest,
) -> ApiResult<HttpResponse> {
    let query = Query::parse(request.query_string(), &["since", "until", "type", "cuid"])?;
    let kind = query.word("type", &["container", "image"])?.map(|word| match word {
        "image" => EventKind::Image,
        _ => EventKind::Container,
    });
    let asked = EventsQuery {
        since: query.moment("since")?,
        until: query.moment("until")?,
        kind,
        container: query.text("cuid")?,
    };
    let form = Form::accepted(&request, Form::RECORDS);
    let source = state.service.events(&principal, asked).await?;
    Ok(streaming::answer(&state, &request, form, source, streaming::no_text()))
}
