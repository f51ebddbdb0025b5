//! Files over HTTP: zip in, file and zip out.

use actix_web::http::header::{
    ACCEPT_RANGES, CONTENT_DISPOSITION, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderName, LAST_MODIFIED,
};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, get, post, web};
use futures_util::Stream;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use utoipa::IntoParams;

use super::asked::UploadForm;
use super::audit::note;
use super::error::{ApiError, ApiResult};
use super::query::Query;
use super::range::{Present, Wanted, wanted};
use super::schemas::Binary;
use super::wire::UploadedBody;
use super::{State, body};
use crate::codes::Code;
use crate::service::{Download, Error, Result, UploadOptions};

/// What stands bare in `filename*` (RFC 8187, `attr-char`).
const ATTR_CHAR: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'!')
    .remove(b'#')
    .remove(b'$')
    .remove(b'&')
    .remove(b'+')
    .remove(b'-')
    .remove(b'.')
    .remove(b'^')
    .remove(b'_')
    .remove(b'`')
    .remove(b'|')
    .remove(b'~');

/// Where an upload goes.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "stands in the OpenAPI document; `Query` reads the values")]
pub struct UploadParams {
    /// The folder to unpack into, relative to the mount; a leading `/app/` means the same. Without `..`.
    #[param(required = false, pattern = r"^(?!(.*/)?\.\.(/|$))[^\u0000-\u001f\u007f-\u009f]*$")]
    path: String,
    /// `replace` empties the folder first.
    #[param(required = false, pattern = "^(merge|replace)$", default = "merge")]
    mode: String,
}

/// Unpacks a zip into the mount of a container, whole or not at all.
///
/// The body is the zip itself (`application/zip`, `application/octet-stream`), or a form with the field `file`.
#[utoipa::path(tag = "files", params(UploadParams),
    request_body(description = "the zip", content(
        (Binary = "application/zip"), (Binary = "application/octet-stream"), (UploadForm = "multipart/form-data"),
    )),
    responses((status = 200, description = "what was in it", body = UploadedBody)))]
#[post("/containers/{id}/upload-zip")]
pub async fn upload(
    state: web::Data<State>,
    request: HttpRequest,
    id: web::Path<String>,
    payload: web::Payload,
) -> ApiResult<HttpResponse> {
    let query = Query::parse(request.query_string(), &["path", "mode"])?;
    let replace = query.word("mode", &["merge", "replace"])? == Some("replace");
    let options = UploadOptions { path: query.text("path")?, replace };
    let body = body::archive(&request, payload, &state).await?;
    let uploaded = state.service.upload(&id, options, body).await?;
    note(&request, "bytes", uploaded.unpacked.bytes);
    Ok(HttpResponse::Ok().json(UploadedBody {
        cuid: uploaded.cuid.to_string(),
        path: uploaded.path,
        files: uploaded.unpacked.files,
        directories: uploaded.unpacked.directories,
        bytes: uploaded.unpacked.bytes,
    }))
}

/// Which file.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "stands in the OpenAPI document; `Query` reads the values")]
pub struct FileParams {
    /// The file, relative to the mount; a leading `/app/` means the same. Without `..`.
    #[param(pattern = r"^(?!(.*/)?\.\.(/|$))[^\u0000-\u001f\u007f-\u009f]+$", example = "boot.py")]
    path: String,
}

/// Sends one file. Ranges and conditional requests work.
#[utoipa::path(tag = "files", params(FileParams,
    ("Range" = Option<String>, Header, description = "one range of bytes; several: the whole is sent", example = "bytes=0-99"),
    ("If-Match" = Option<String>, Header, description = "entity tags; another one: 412"),
    ("If-None-Match" = Option<String>, Header, description = "entity tags; the same one: 304"),
), responses(
    (status = 200, description = "the file", content_type = "*/*", body = Binary, headers(
        ("ETag" = String, description = "changes with the file"),
        ("Last-Modified" = String, description = "when the file was changed"),
        ("Accept-Ranges" = String, description = "`bytes`"),
        ("Content-Disposition" = String, description = "the file's name"),
    )),
    (status = 206, description = "a part of it", content_type = "*/*", body = Binary, headers(
        ("ETag" = String, description = "changes with the file"),
        ("Last-Modified" = String, description = "when the file was changed"),
        ("Accept-Ranges" = String, description = "`bytes`"),
        ("Content-Disposition" = String, description = "the file's name"),
        ("Content-Range" = String, description = "which part, and the length of the whole"),
    )),
    (status = 304, description = "the client has it already", headers(
        ("ETag" = String, description = "changes with the file"),
        ("Last-Modified" = String, description = "when the file was changed"),
        ("Accept-Ranges" = String, description = "`bytes`"),
    )),
))]
#[get("/containers/{id}/download")]
pub async fn download(
    state: web::Data<State>,
    request: HttpRequest,
    id: web::Path<String>,
) -> ApiResult<HttpResponse> {
    let query = Query::parse(request.query_string(), &["path"])?;
    let path = query.one("path")?.filter(|path| !path.is_empty());
    let path =
        path.ok_or_else(|| ApiError::new(Code::InvalidQuery, "path is required: name a file of the mount"))?;
    let file = state.service.download(&id, path).await?;
    answer(&request, &file)
}

/// What the conditions and the range of a request leave of the file.
fn answer(request: &HttpRequest, file: &Download) -> ApiResult<HttpResponse> {
    let present = Present { etag: &file.etag, modified: file.modified, len: file.len };
    match wanted(request, present) {
        Wanted::Whole => Ok(send(file, HttpResponse::Ok(), 0, file.len)),
        Wanted::Part(start, len) => {
            let mut response = HttpResponse::PartialContent();
            let range = format!("bytes {start}-{}/{}", start + len - 1, file.len);
            response.insert_header((CONTENT_RANGE, range));
            Ok(send(file, response, start, len))
        }
        Wanted::NotModified => Ok(describe(file, HttpResponse::NotModified()).finish()),
        Wanted::PreconditionFailed => Err(ApiError::new(
            Code::PreconditionFailed,
            "the file is not the one that If-Match or If-Unmodified-Since names",
        )),
        Wanted::NotSatisfiable => {
            let message =
                format!("the range begins behind the end of the file, which has {} bytes", file.len);
            let error = Error::new(Code::RangeNotSatisfiable, message).with("length", file.len);
            Err(ApiError::from(error).with_header(CONTENT_RANGE, format!("bytes */{}", file.len)))
        }
    }
}

fn describe(file: &Download, mut response: HttpResponseBuilder) -> HttpResponseBuilder {
    response
        .insert_header((ETAG, file.etag.as_str()))
        .insert_header((LAST_MODIFIED, httpdate::fmt_http_date(file.modified)))
        .insert_header((ACCEPT_RANGES, "bytes"))
        .insert_header((HeaderName::from_static("cache-control"), "private, no-cache"));
    response
}

fn send(file: &Download, response: HttpResponseBuilder, start: u64, len: u64) -> HttpResponse {
    let kind = mime_guess::from_path(&file.name).first_or_octet_stream();
    let mut response = describe(file, response);
    response
        .insert_header((CONTENT_TYPE, kind.to_string()))
        .insert_header((CONTENT_DISPOSITION, disposition(&file.name)))
        // What a container wrote must not run as a page of this API.
        .insert_header((HeaderName::from_static("content-security-policy"), "sandbox; default-src 'none'"))
        .no_chunking(len)
        .streaming(fallible(file.read(start, len)))
}

/// Which folder.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "stands in the OpenAPI document; `Query` reads the values")]
pub struct FolderParams {
    /// The folder, relative to the mount; the root when it is left out. Without `..`.
    #[param(required = false, pattern = r"^(?!(.*/)?\.\.(/|$))[^\u0000-\u001f\u007f-\u009f]*$")]
    path: String,
}

/// Sends a folder as a zip that is made while it is sent.
#[utoipa::path(tag = "files", params(FolderParams), responses(
    (status = 200, description = "the zip", content_type = "application/zip", body = Binary,
        headers(("Content-Disposition" = String, description = "the zip's name"))),
))]
#[get("/containers/{id}/download-zip")]
pub async fn download_zip(
    state: web::Data<State>,
    request: HttpRequest,
    id: web::Path<String>,
) -> ApiResult<HttpResponse> {
    let query = Query::parse(request.query_string(), &["path"])?;
    let (name, zip) = state.service.download_zip(&id, query.one("path")?).await?;
    Ok(HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, "application/zip"))
        .insert_header((CONTENT_DISPOSITION, disposition(&name)))
        .streaming(fallible(zip)))
}

/// The stream as the framework takes it: an error breaks the connection off, so that no client takes a part
/// for the whole.
pub(super) fn fallible(
    pieces: impl Stream<Item = Result<bytes::Bytes>>,
) -> impl Stream<Item = std::result::Result<bytes::Bytes, ApiError>> {
    futures_util::StreamExt::map(pieces, |piece| piece.map_err(ApiError::from))
}

/// `attachment` with the name, in both spellings where it is not plain ASCII (RFC 6266).
pub(super) fn disposition(name: &str) -> String {
    let plain: String =
        name.chars().map(|c| if matches!(c, ' '..='~') && !"\"\\%".contains(c) { c } else { '_' }).collect();
    if plain == name {
        return format!("attachment; filename=\"{plain}\"");
    }
    format!("attachment; filename=\"{plain}\"; filename*=UTF-8''{}", utf8_percent_encode(name, ATTR_CHAR))
}
