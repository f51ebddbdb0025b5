//! What images there are, over HTTP.

use actix_web::{HttpRequest, HttpResponse, get, web};
use utoipa::IntoParams;

use super::is_whole;
use crate::http::State;
use crate::http::error::ApiResult;
use crate::http::query::Query;
use crate::http::schemas;
use crate::http::wire::images::{FoundPageBody, HistoryBody, ImageDetailsBody, ImagesBody};
use crate::service::Principal;
use crate::service::{Error, ImageFilter, Result};

/// The most characters of a term that is searched for.
const LONGEST_TERM: usize = 255;
/// The most characters of a pattern for names.
const LONGEST_PATTERN: usize = 512;

/// Which images.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "stands in the OpenAPI document; `Query` reads the values")]
pub struct ListParams {
    /// A name, without a tag all tags of it; `*` and `?` stand for anything but a slash. `repo_tags` and
    /// `repo_digests` then hold what fits.
    #[param(required = false, pattern = "^[A-Za-z0-9._/:@*?+-]{1,512}$", example = "web:*")]
    name: String,
    /// `true`: only those without a name; `false`: only those with one.
    #[param(required = false)]
    dangling: bool,
    /// Labels that all have to be there: `key` or `key=value`.
    #[param(required = false, style = Form, explode = true, schema_with = schemas::label_parameter)]
    label: Vec<String>,
}

/// The images of the engine, the newest first.
#[utoipa::path(tag = "images", params(ListParams), responses(
    (status = 200, description = "the images", body = ImagesBody),
))]
#[get("/images")]
pub async fn list(
    state: web::Data<State>,
    principal: Principal,
    request: HttpRequest,
) -> ApiResult<HttpResponse> {
    let query = Query::parse(request.query_string(), &["name", "dangling", "label"])?;
    let filter = ImageFilter {
        reference: query.one("name")?.map(pattern).transpose()?,
        dangling: query.flag("dangling")?,
        labels: labels(&query)?,
    };
    Ok(HttpResponse::Ok().json(ImagesBody::from(state.service.images(&principal, filter).await?)))
}

fn pattern(name: &str) -> Result<String> {
    const RULE: &str = "has to be a name of 1 to 512 characters, in which * and ? may stand for others";
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._/:@*?+-".contains(c);
    let fits = !name.is_empty() && name.len() <= LONGEST_PATTERN && name.chars().all(is_plain);
    if fits { Ok(name.to_owned()) } else { Err(Error::invalid_query("name", name, RULE)) }
}

/// The labels that a query asks for.
pub(super) fn labels(query: &Query) -> Result<Vec<String>> {
    let labels = query.all("label")?;
    match labels.iter().find(|label| label.is_empty() || label.starts_with('=')) {
        Some(label) => Err(Error::invalid_query("label", label, "has to be key or key=value")),
        None => Ok(labels),
    }
}

/// One image. A name without a tag means `latest`; an id may be shortened as long as it is unique.
#[utoipa::path(tag = "images", responses(
    (status = 200, description = "the image", body = ImageDetailsBody),
))]
#[get("/images/{ref:.+}", guard = "is_whole")]
pub async fn get(
    state: web::Data<State>,
    principal: Principal,
    request: HttpRequest,
    image: web::Path<String>,
) -> ApiResult<HttpResponse> {
    Query::parse(request.query_string(), &[])?;
    Ok(HttpResponse::Ok().json(ImageDetailsBody::from(state.service.image_shown(&principal, &image).await?)))
}

/// How an image was made, the last step first.
#[utoipa::path(tag = "images", responses(
    (status = 200, description = "the steps", body = HistoryBody),
))]
#[get("/images/{ref:.+}/history")]
pub async fn history(
    state: web::Data<State>,
    principal: Principal,
    request: HttpRequest,
    image: web::Path<String>,
) -> ApiResult<HttpResponse> {
    Query::parse(request.query_string(), &[])?;
    Ok(HttpResponse::Ok().json(HistoryBody::from(state.service.image_history(&principal, &image).await?)))
}

/// What to search for.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "stands in the OpenAPI document; `Query` reads the values")]
pub struct SearchParams {
    /// Words of names and descriptions, without a scheme; with a registry's host and a slash in front, of that
    /// registry, which has to know the search of Docker's first API.
    #[param(
        pattern = r"^(?!.*://)[^\u0000-\u0020\u007f-\u009f]([^\u0000-\u001f\u007f-\u009f]{0,253}[^\u0000-\u0020\u007f-\u009f])?$",
        example = "nginx"
    )]
    term: String,
    /// The most that are answered.
    #[param(required = false, minimum = 1, maximum = 100, default = 25)]
    limit: u32,
}

/// Searches Docker Hub for repositories.
#[utoipa::path(tag = "images", params(SearchParams), responses(
    (status = 200, description = "what was found", body = FoundPageBody),
))]
#[get("/images/search")]
pub async fn search(state: web::Data<State>, request: HttpRequest) -> ApiResult<HttpResponse> {
    let query = Query::parse(request.query_string(), &["term", "limit"])?;
    let term = query.text("term")?.unwrap_or_default();
    let limit = query.number("limit", 1, 100)?.unwrap_or(25);
    let found = state.service.search_images(checked(&term)?, limit).await?;
    Ok(HttpResponse::Ok().json(FoundPageBody::from(found)))
}

fn checked(term: &str) -> Result<&str> {
    const RULE: &str =
        "is required: 1 to 255 characters without control characters, a scheme, and spaces around";
    let fits =
        !term.is_empty() && term.chars().count() <= LONGEST_TERM && !term.chars().any(char::is_control);
    if fits && term.trim() == term && !term.contains("://") {
        Ok(term)
    } else {
        Err(Error::invalid_query("term", term, RULE))
    }
}
