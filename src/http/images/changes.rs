//! Names of images given and taken away, and the end of images that no one needs, over HTTP.

use actix_web::http::header::LOCATION;
use actix_web::{HttpRequest, HttpResponse, delete, post, web};
use utoipa::IntoParams;

use super::is_whole;
use super::list::labels;
use crate::http::asked::TagImageBody;
use crate::http::audit::note;
use crate::http::error::ApiResult;
use crate::http::query::Query;
use crate::http::wire::images::{PrunedImagesBody, RemovedImagesBody};
use crate::http::wire::operations::CommittedBody;
use crate::http::{State, body, schemas};
use crate::service::ImagePrune;
use crate::service::Principal;

/// Gives an image one name more. A name that another image has goes over to this one.
#[utoipa::path(tag = "images", request_body = TagImageBody, responses(
    (status = 201, description = "the image", body = CommittedBody,
        headers(("Location" = String, description = "its path"))),
))]
#[post("/images/{ref:.+}/tag")]
pub async fn tag(
    state: web::Data<State>,
    request: HttpRequest,
    image: web::Path<String>,
    payload: web::Payload,
) -> ApiResult<HttpResponse> {
    Query::parse(request.query_string(), &[])?;
    let body = body::json(&request, payload, &state).await?;
    let tagged = state.service.tag_image(&image, body).await?;
    note(&request, "image", tagged.image.as_str());
    let location = format!("/images/{}", tagged.id);
    let body = CommittedBody { id: tagged.id, image: tagged.image };
    Ok(HttpResponse::Created().insert_header((LOCATION, location)).json(body))
}

/// How an image is removed.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "stands in the OpenAPI document; `Query` reads the values")]
pub struct RemoveParams {
    /// Also when containers that do not run need it, and by its id with all its names.
    #[param(required = false, default = false)]
    force: bool,
}

/// Takes a name of an image away; with the last one, or by its id, the image goes.
///
/// Without `force` nothing goes that a container of this API needs: one that is made of the image, or whose compose
/// file names it. What the change of a container that is under way needs never goes.
#[utoipa::path(tag = "images", params(RemoveParams), responses(
    (status = 200, description = "what is gone", body = RemovedImagesBody),
))]
#[delete("/images/{ref:.+}", guard = "is_whole")]
pub async fn remove(
    state: web::Data<State>,
    principal: Principal,
    request: HttpRequest,
    image: web::Path<String>,
) -> ApiResult<HttpResponse> {
    let query = Query::parse(request.query_string(), &["force"])?;
    let force = query.flag("force")?.unwrap_or(false);
    note(&request, "image", image.as_str());
    let body = RemovedImagesBody::from(state.service.remove_image(&principal, &image, force).await?);
    Ok(HttpResponse::Ok().json(body))
}

/// Which images are to go.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "stands in the OpenAPI document; `Query` reads the values")]
pub struct PruneParams {
    /// Those with a name as well, when no container of the engine is made of them.
    #[param(required = false, default = false)]
    all: bool,
    /// Labels that all have to be there: `key` or `key=value`.
    #[param(required = false, style = Form, explode = true, schema_with = schemas::label_parameter)]
    label: Vec<String>,
}

/// Removes the images without a name, or with `all` those that no container needs.
///
/// An image that a container of this API names stays, also while the engine has no such container. The parameters
/// may also be sent as the fields of a JSON object.
#[utoipa::path(tag = "images", params(PruneParams), responses(
    (status = 200, description = "what is gone", body = PrunedImagesBody),
))]
#[post("/images/prune")]
pub async fn prune(
    state: web::Data<State>,
    request: HttpRequest,
    payload: web::Payload,
) -> ApiResult<HttpResponse> {
    let query = Query::or_body(&request, payload, &state, &["all", "label"]).await?;
    let prune = ImagePrune { all: query.flag("all")?.unwrap_or(false), labels: labels(&query)? };
    let pruned = state.service.prune_images(prune).await.inspect_err(|error| {
        // What had gone by then.
        for (name, value) in error.details.iter().filter(|(_, value)| value.is_array() || value.is_u64()) {
            note(&request, name, value.clone());
        }
    });
    let body = PrunedImagesBody::from(pruned?);
    note(&request, "deleted", body.deleted.clone());
    note(&request, "untagged", body.untagged.clone());
    note(&request, "space_reclaimed", body.space_reclaimed);
    Ok(HttpResponse::Ok().json(body))
}
