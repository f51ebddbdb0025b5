//! The file manager over HTTP: list, put, remove, make and move in a container's mount.

use actix_web::http::header::{CONTENT_RANGE, ETAG, LOCATION};
use actix_web::{HttpRequest, HttpResponse, delete, get, post, put, web};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::audit::note;
use super::conditions::conditions;
use super::error::{ApiError, ApiResult};
use super::file_bodies::{
    ConditionParams, FolderBody, ListFilesParams, MadeBody, MakeFolderBody, MoveFileBody, MovedBody, PutBody,
    PutFileParams, RemoveFileParams, RemovedBody,
};
use super::query::Query;
use super::schemas::Binary;
use super::{State, body};
use crate::codes::Code;
use crate::container::file_request::{MakeFolder, MoveFile};
use crate::service::{PutOptions, RemoveOptions, Result, WHOLE_PAGE};

/// What stands bare in a query's value.
const BARE: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// The longest path that is written to the audit log, in bytes: none that is longer can be one.
const LONGEST_NOTED: usize = 4095;

/// Lists a folder, by name. A large one comes in pages.
#[utoipa::path(tag = "files", params(ListFilesParams), responses(
    (status = 200, description = "one page", body = FolderBody),
))]
#[get("/containers/{id}/files")]
pub async fn list(
    state: web::Data<State>,
    request: HttpRequest,
    id: web::Path<String>,
) -> ApiResult<HttpResponse> {
    let query = Query::parse(request.query_string(), &["path", "limit", "cursor"])?;
    let path = query.one("path")?;
    note_path(&request, "file", path.unwrap_or_default());
    let limit = query.number("limit", 1, WHOLE_PAGE)?.unwrap_or(WHOLE_PAGE);
    let folder = state.service.list_files(&id, path, limit, query.one("cursor")?).await?;
    Ok(HttpResponse::Ok().json(FolderBody::from(folder)))
}

/// Puts a file: makes it, or replaces its bytes in one step.
///
/// The body is the file, of whatever `Content-Type`. The mode of a file that is replaced is kept, a new one has
/// 0644. The folder it goes into has to be there. With `If-Match`, calls of this API lose no update of one
/// another; a process of the container that writes at the same moment is noticed when it replaces the file, or
/// when its write comes before the exchange.
#[utoipa::path(tag = "files", params(PutFileParams, ConditionParams),
    request_body(content = Binary, content_type = "application/octet-stream", description = "the file's bytes"),
    responses(
    (status = 200, description = "the file was replaced", body = PutBody,
        headers(("ETag" = String, description = "the file's new entity tag"))),
    (status = 201, description = "the file is new", body = PutBody, headers(
        ("ETag" = String, description = "the file's entity tag"),
        ("Location" = String, description = "the path that downloads it"),
    )),
))]
#[put("/containers/{id}/files")]
pub async fn put_file(
    state: web::Data<State>,
    request: HttpRequest,
    id: web::Path<String>,
    payload: web::Payload,
) -> ApiResult<HttpResponse> {
    let query = Query::parse(request.query_string(), &["path"])?;
    let options = PutOptions { path: named(&request, &query)?, conditions: conditions(&request) };
    refuse_a_part(&request)?;
    let put = state.service.put_file(&id, options, body::raw(&request, payload, &state)).await?;
    note(&request, "bytes", put.placed.bytes);
    let mut response = if put.placed.is_new { HttpResponse::Created() } else { HttpResponse::Ok() };
    if put.placed.is_new {
        response.insert_header((LOCATION, location(&put.cuid.to_string(), "download", &put.path)));
    }
    response.insert_header((ETAG, put.placed.etag.as_str()));
    let (cuid, bytes) = (put.cuid.to_string(), put.placed.bytes);
    Ok(response.json(PutBody { cuid, path: put.path, bytes, etag: put.placed.etag }))
}

/// Removes a file, a link or a folder. A link is removed itself, never what it leads to.
#[utoipa::path(tag = "files", params(RemoveFileParams, ConditionParams), responses(
    (status = 200, description = "it is gone", body = RemovedBody),
))]
#[delete("/containers/{id}/files")]
pub async fn remove(
    state: web::Data<State>,
    request: HttpRequest,
    id: web::Path<String>,
) -> ApiResult<HttpResponse> {
    let query = Query::parse(request.query_string(), &["path", "recursive"])?;
    let options = RemoveOptions {
        path: named(&request, &query)?,
        recursive: query.flag("recursive")?.unwrap_or(false),
        conditions: conditions(&request),
    };
    let removed = state.service.remove_file(&id, options).await?;
    let cuid = removed.cuid.to_string();
    Ok(HttpResponse::Ok().json(RemovedBody { cuid, path: removed.path, deleted: true }))
}

/// Makes a folder, which belongs to `DEFAULT_USER_UID` and has mode 0755.
#[utoipa::path(tag = "files", request_body = MakeFolderBody, responses(
    (status = 200, description = "with `parents`: it was there already", body = MadeBody),
    (status = 201, description = "the folder", body = MadeBody,
        headers(("Location" = String, description = "the path that lists it"))),
))]
#[post("/containers/{id}/files/mkdir")]
pub async fn mkdir(
    state: web::Data<State>,
    request: HttpRequest,
    id: web::Path<String>,
    payload: web::Payload,
) -> ApiResult<HttpResponse> {
    Query::parse(request.query_string(), &[])?;
    let wanted = parsed(MakeFolder::parse(body::json(&request, payload, &state).await?))?;
    note_path(&request, "file", &wanted.path);
    let made = state.service.make_folder(&id, wanted).await?;
    let mut response = if made.is_new { HttpResponse::Created() } else { HttpResponse::Ok() };
    if made.is_new {
        response.insert_header((LOCATION, location(&made.cuid.to_string(), "files", &made.path)));
    }
    Ok(response.json(MadeBody { cuid: made.cuid.to_string(), path: made.path }))
}

/// Moves or renames a file, a link or a folder within the mount. A link is moved itself.
#[utoipa::path(tag = "files", request_body = MoveFileBody, responses(
    (status = 200, description = "it has the new path", body = MovedBody),
))]
#[post("/containers/{id}/files/move")]
pub async fn move_file(
    state: web::Data<State>,
    request: HttpRequest,
    id: web::Path<String>,
    payload: web::Payload,
) -> ApiResult<HttpResponse> {
    Query::parse(request.query_string(), &[])?;
    let wanted = parsed(MoveFile::parse(body::json(&request, payload, &state).await?))?;
    note_path(&request, "file", &wanted.from);
    note_path(&request, "to", &wanted.to);
    let moved = state.service.move_file(&id, wanted).await?;
    Ok(HttpResponse::Ok().json(MovedBody { cuid: moved.cuid.to_string(), from: moved.from, to: moved.to }))
}

fn parsed<T>(wanted: std::result::Result<T, impl Into<crate::service::Error>>) -> Result<T> {
    wanted.map_err(Into::into)
}

/// The path that a request has to name.
fn named(request: &HttpRequest, query: &Query) -> ApiResult<String> {
    let path = query.one("path")?.filter(|path| !path.is_empty());
    let path =
        path.ok_or_else(|| ApiError::new(Code::InvalidQuery, "path is required: name a path of the mount"))?;
    note_path(request, "file", path);
    Ok(path.to_owned())
}

/// Notes a path of the mount; `path` is the request's own in that line.
fn note_path(request: &HttpRequest, name: &str, path: &str) {
    if path.len() <= LONGEST_NOTED {
        note(request, name, path);
    }
}

/// A part must not pass for the whole file (RFC 9110, 14.5).
fn refuse_a_part(request: &HttpRequest) -> ApiResult<()> {
    if request.headers().contains_key(CONTENT_RANGE) {
        let message = "Content-Range is not taken here: send the whole file, without it";
        return Err(ApiError::new(Code::InvalidHeader, message));
    }
    Ok(())
}

fn location(cuid: &str, what: &str, path: &str) -> String {
    format!("/containers/{cuid}/{what}?path={}", utf8_percent_encode(path, BARE))
}
