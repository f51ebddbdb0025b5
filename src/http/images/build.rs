//! Builds of images, over HTTP.

use actix_web::{HttpRequest, HttpResponse, post, web};
use utoipa::IntoParams;

use crate::http::accept::Form;
use crate::http::asked::ContextForm;
use crate::http::audit::note;
use crate::http::error::ApiResult;
use crate::http::leaving::left;
use crate::http::query::Query;
use crate::http::schemas::{self, Binary};
use crate::http::streaming;
use crate::http::wire::builds::{BuildLine, BuiltBody};
use crate::http::{State, body};
use crate::service::{AskedBuild, Result};

/// What to build, and how.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "stands in the OpenAPI document; `Query` reads the values")]
pub struct BuildParams {
    /// The name of the image to be, with a tag or `latest`; one that bears it by now loses it.
    #[param(schema_with = schemas::image_to_make)]
    image: String,
    /// The Dockerfile, relative to the context. Without `..`.
    #[param(
        required = false,
        pattern = r"^(?!/)(?!(.*/)?\.\.(/|$))[^\u0000-\u001f\u007f-\u009f]{1,256}$",
        default = "Dockerfile"
    )]
    dockerfile: String,
    /// An argument of the build, `KEY=VALUE`; of several with one key the last counts.
    #[param(required = false, schema_with = schemas::build_args)]
    build_arg: Vec<String>,
    /// The stage to build, by name or number; the last when it is left out.
    #[param(required = false, pattern = "^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$")]
    target: String,
    /// Uses nothing that was built before.
    #[param(required = false, default = false)]
    no_cache: bool,
    /// Pulls the images that it builds on also where they are here: there may be newer ones.
    #[param(required = false, default = false)]
    pull: bool,
}

/// Builds an image of a context that has a Dockerfile.
///
/// The body is the context: a zip, or a tar, which gzip may have compressed, or a form with one of them as the
/// field `file`; it is checked as an upload into a container is. With `Accept: application/x-ndjson` (or
/// server-sent events) the answer shows what the builder says, line by line, then the result; values of arguments
/// that have 8 or more characters are shown as `***`. When the client leaves, the build is ended.
#[utoipa::path(tag = "images", params(BuildParams),
    request_body(description = "the context", content(
        (Binary = "application/zip"), (Binary = "application/x-tar"), (Binary = "application/gzip"),
        (Binary = "application/octet-stream"), (ContextForm = "multipart/form-data"),
    )),
    responses((status = 200, description = "the image is here", content(
        (BuiltBody = "application/json"),
        (BuildLine = "application/x-ndjson"),
        (String = "text/event-stream"),
    ))))]
#[post("/images/build")]
pub async fn build(
    state: web::Data<State>,
    request: HttpRequest,
    payload: web::Payload,
) -> ApiResult<HttpResponse> {
    let wanted = state.service.build_request(asked(request.query_string())?)?;
    note(&request, "image", wanted.image.to_string());
    let (body, kind) = body::context(&request, payload, &state).await?;
    let prepared = state.service.prepare_build(wanted, kind, body).await?;
    if let Some(form) = Form::progress(&request) {
        let source = state.service.build_told(prepared)?;
        return Ok(streaming::answer(&state, &request, form, source, streaming::no_text()));
    }
    let built = state.service.build(prepared, left(&request)).await?;
    Ok(HttpResponse::Ok().json(BuiltBody::from(built)))
}

fn asked(query: &str) -> Result<AskedBuild> {
    let known = ["image", "dockerfile", "build_arg", "target", "no_cache", "pull"];
    let query = Query::parse(query, &known)?;
    Ok(AskedBuild {
        image: query.text("image")?,
        dockerfile: query.text("dockerfile")?,
        args: query.all("build_arg")?,
        target: query.text("target")?,
        no_cache: query.flag("no_cache")?.unwrap_or(false),
        pull: query.flag("pull")?.unwrap_or(false),
    })
}
