//! Images as archives over HTTP: in and out.

use actix_web::http::header::{CONTENT_DISPOSITION, LOCATION};
use actix_web::{HttpRequest, HttpResponse, get, post, web};
use utoipa::IntoParams;

use crate::container::image_request::ImportRequest;
use crate::http::accept::Form;
use crate::http::audit::note;
use crate::http::error::ApiResult;
use crate::http::files::{disposition, fallible};
use crate::http::leaving::left;
use crate::http::query::Query;
use crate::http::schemas::Binary;
use crate::http::streaming;
use crate::http::wire::images::{LoadRecordBody, LoadedBody};
use crate::http::wire::operations::CommittedBody;
use crate::http::{State, body, schemas};
use crate::service::{Error, Principal};

/// Loads the images of an archive, as `docker save` or `GET /images/{ref}/save` writes it, whatever compressed it.
///
/// With `Accept: application/x-ndjson` or `text/event-stream` it tells how far the engine is, once the archive has
/// come in whole, and the result is the last record. An archive that fails in the middle may have given images
/// before: `details.loaded` names them.
#[utoipa::path(tag = "images",
    request_body(description = "the archive", content(
        (Binary = "application/x-tar"), (Binary = "application/gzip"), (Binary = "application/octet-stream"),
    )),
    responses((status = 200, description = "what was in it", content(
        (LoadedBody = "application/json"), (LoadRecordBody = "application/x-ndjson"), (String = "text/event-stream"),
    ))))]
#[post("/images/load")]
pub async fn load(
    state: web::Data<State>,
    request: HttpRequest,
    payload: web::Payload,
) -> ApiResult<HttpResponse> {
    Query::parse(request.query_string(), &[])?;
    let archive = body::image_archive(&request, payload, &state)?;
    if let Some(form) = Form::progress(&request) {
        let source = state.service.load_images_told(archive).await?;
        return Ok(streaming::answer(&state, &request, form, source, streaming::no_text()));
    }
    let body = LoadedBody::from(state.service.load_images(archive).await?);
    note(&request, "images", body.names());
    Ok(HttpResponse::Ok().json(body))
}

/// What is made of the files.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "stands in the OpenAPI document; `Query` reads the values")]
pub struct ImportParams {
    /// The image's name.
    #[param(schema_with = schemas::image_to_make)]
    image: String,
    /// What it is.
    #[param(required = false, schema_with = schemas::remark_parameter)]
    message: String,
    /// Instructions of a Dockerfile, in their order.
    #[param(required = false, style = Form, explode = true, schema_with = schemas::changes_parameter)]
    change: Vec<String>,
}

/// Makes an image of the files of a root file system: a tar, whatever compressed it.
#[utoipa::path(tag = "images", params(ImportParams),
    request_body(description = "the files", content(
        (Binary = "application/x-tar"), (Binary = "application/gzip"), (Binary = "application/octet-stream"),
    )),
    responses((status = 201, description = "the image", body = CommittedBody,
        headers(("Location" = String, description = "its path")))))]
#[post("/images/import")]
pub async fn import(
    state: web::Data<State>,
    request: HttpRequest,
    payload: web::Payload,
) -> ApiResult<HttpResponse> {
    let query = Query::parse(request.query_string(), &["image", "message", "change"])?;
    let changes = query.all("change")?;
    let asked =
        ImportRequest::parse(query.one("image")?, query.text("message")?, changes).map_err(Error::from)?;
    let files = body::image_archive(&request, payload, &state)?;
    let made = state.service.import_image(asked, files).await?;
    note(&request, "image", made.image.as_str());
    let location = format!("/images/{}", made.id);
    let body = CommittedBody { id: made.id, image: made.image };
    Ok(HttpResponse::Created().insert_header((LOCATION, location)).json(body))
}

/// How an image is sent.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "stands in the OpenAPI document; `Query` reads the values")]
pub struct SaveParams {
    /// `gzip` compresses it while it is sent.
    #[param(required = false, pattern = "^gzip$")]
    compress: String,
}

/// An image with all its layers as a tar, which `docker load` and `POST /images/load` take.
///
/// By a name it bears that name, by an id none. One that was made of a container has the values of its variables in
/// it: it needs `docker:write` as well, and with a token that is limited to containers one of those.
#[utoipa::path(tag = "images", params(SaveParams), responses(
    (status = 200, description = "the tar", content(
        (Binary = "application/x-tar"), (Binary = "application/gzip"),
    ), headers(("Content-Disposition" = String, description = "its name"))),
))]
#[get("/images/{ref:.+}/save")]
pub async fn save(
    state: web::Data<State>,
    principal: Principal,
    request: HttpRequest,
    image: web::Path<String>,
) -> ApiResult<HttpResponse> {
    let query = Query::parse(request.query_string(), &["compress"])?;
    let is_compressed = query.word("compress", &["gzip"])?.is_some();
    let saved = state.service.save_image(&principal, &image, is_compressed, left(&request)).await?;
    Ok(HttpResponse::Ok()
        .content_type(if is_compressed { "application/gzip" } else { "application/x-tar" })
        .insert_header((CONTENT_DISPOSITION, disposition(&saved.file_name)))
        .streaming(fallible(saved.pieces)))
}
