//! The `OpenAPI` document, generated from the handlers, and a page to read and try it.

use std::sync::{Arc, Mutex, PoisonError};

use actix_web::http::header::{CONTENT_TYPE, ContentType, LOCATION};
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse, get, web};
use utoipa_swagger_ui::Config;

use super::error::{ApiError, ApiResult};
use super::query::Query;
use super::schemas::Binary;
use super::{State, document, routes};
use crate::codes::Code;

/// The document as it was last sent, and the processors that it names.
#[derive(Default)]
pub struct Document(Mutex<Option<(Option<u32>, Bytes)>>);

impl Document {
    /// The document for a host of so many processors; made where it is not the last one.
    fn text(&self, cpus: Option<u32>) -> Bytes {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &*last {
            Some((of, text)) if *of == cpus => text.clone(),
            _ => {
                let text = Bytes::from(document::of(&routes::described(), cpus).to_string());
                last.insert((cpus, text)).1.clone()
            }
        }
    }
}

/// The `OpenAPI` document of this API.
#[utoipa::path(tag = "documentation", responses(
    (status = 200, description = "OpenAPI 3.1", content_type = "application/json", body = Object),
))]
#[get("/openapi.json")]
pub async fn openapi(state: web::Data<State>, request: HttpRequest) -> ApiResult<HttpResponse> {
    Query::parse(request.query_string(), &[])?;
    let text = state.document.text(state.service.host_limits().cpus);
    Ok(HttpResponse::Ok().content_type(ContentType::json()).body(text))
}

/// A page to read the API and to try it.
#[utoipa::path(tag = "documentation", responses(
    (status = 302, description = "to the page", headers(("Location" = String, description = "the page's path"))),
))]
#[get("/docs")]
pub async fn page(request: HttpRequest) -> ApiResult<HttpResponse> {
    Query::parse(request.query_string(), &[])?;
    Ok(HttpResponse::Found().insert_header((LOCATION, "/docs/index.html")).finish())
}

/// A file of the page.
#[utoipa::path(tag = "documentation", params(("file" = String, Path, description = "its name", example = "index.html")), responses(
    (status = 200, description = "the file", content_type = "*/*", body = Binary),
))]
#[get("/docs/{file}")]
pub async fn file(name: web::Path<String>, request: HttpRequest) -> ApiResult<HttpResponse> {
    Query::parse(request.query_string(), &[])?;
    let config = Arc::new(Config::from("/openapi.json"));
    let file = utoipa_swagger_ui::serve(&name, config).ok().flatten();
    let file = file.ok_or_else(|| ApiError::new(Code::RouteNotFound, "the page has no such file"))?;
    Ok(HttpResponse::Ok().insert_header((CONTENT_TYPE, file.content_type)).body(file.bytes.into_owned()))
}
