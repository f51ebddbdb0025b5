//! What the `OpenAPI` document has beside what is generated from the handlers: login, errors, headers, ids.

use actix_web::http::{Method, StatusCode};
use serde_json::{Map, Value, json};
use utoipa::PartialSchema;
use utoipa::openapi::OpenApi;

use super::asked_options;
use super::error::ErrorBody;
use super::routes::{ROUTES, Route};
use super::schemas;
use crate::codes::{Code, Word};

/// The document: what the handlers say of themselves, what is the same for all routes, and what only the engine knows,
/// the processors of its host.
pub fn of(described: &OpenApi, cpus: Option<u32>) -> Value {
    let mut document = complete(described);
    if let Some(cpus) = cpus {
        limit_cpus(&mut document, cpus);
    }
    document
}

/// Adds to the generated document what is the same for all routes.
fn complete(document: &OpenApi) -> Value {
    let mut document = serde_json::to_value(document).unwrap_or_default();
    document["info"] = json!({
        "title": "Wharfinger",
        "version": env!("CARGO_PKG_VERSION"),
        "description": format!("{INTRODUCTION}\n\n{}", table_of_codes()),
    });
    let components = &mut document["components"];
    components["securitySchemes"] = security_schemes();
    components["headers"] = headers();
    components["schemas"]["Error"] = error_schema();
    components["responses"] =
        Word::ALL.iter().map(|word| (name(word.status()), error_response(word.status()))).collect();
    flatten(&mut components["schemas"], "CreateContainer");
    flatten(&mut components["schemas"], "PatchContainer");
    for (name, with_null) in [("CreateContainer", true), ("PatchContainer", true), ("Container", false)] {
        if let Some(properties) = components["schemas"][name]["properties"].as_object_mut() {
            properties.extend(asked_options::properties(with_null));
        }
    }
    if let Some(schemas) = components["schemas"].as_object_mut() {
        schemas.remove("ContainerOptions");
    }
    for route in ROUTES.iter() {
        complete_operation(route, &mut document["paths"][route.path][route.method.as_str().to_lowercase()]);
    }
    document
}

/// Of a host with more processors than this, `cpuset_cpus` does not name each.
const MOST_NAMED_CPUS: u32 = 256;

/// `cpus` goes up to the processors of the host, `cpuset_cpus` names them.
fn limit_cpus(document: &mut Value, cpus: u32) {
    let limits = &mut document["components"]["schemas"]["WantedResources"]["properties"];
    limits["cpus"]["maximum"] = cpus.into();
    if cpus <= MOST_NAMED_CPUS {
        let numbers: Vec<String> = (0..cpus).map(|number| number.to_string()).collect();
        limits["cpuset_cpus"]["pattern"] = schemas::cpuset_pattern(&numbers.join("|")).into();
    }
}

fn complete_operation(route: &Route, operation: &mut Value) {
    operation["operationId"] = route.action.replace('.', "_").into();
    require(route, operation);
    for parameter in operation.get_mut("parameters").and_then(Value::as_array_mut).into_iter().flatten() {
        if parameter["name"] == "id" {
            parameter["description"] = "a cuid, or the container's unique name".into();
        }
        if parameter["name"] == "ref" {
            parameter["description"] =
                "a name with tag or digest, slashes as they are or as `%2F`; or an id".into();
            parameter["schema"] = serde_json::to_value(schemas::image()).unwrap_or_default();
            // Whoever tries the document out would otherwise try it on an image that is there.
            parameter["schema"]["examples"] = json!(["registry.example.com/team/web:1"]);
        }
        if parameter["name"] == "image" && route.method == Method::POST {
            // The generator drops what stands beside a schema that a function gives.
            parameter["required"] = true.into();
            parameter["description"] =
                "the name of the image to be; one that bears it by now loses it".into();
        }
        if parameter["in"] == "query" {
            refuse_nul(&mut parameter["schema"]);
        }
    }
    let statuses = errors(route, operation.get("requestBody").is_some());
    let Some(responses) = operation["responses"].as_object_mut() else { return };
    for response in responses.values_mut() {
        response["headers"]["X-Request-Id"] = json!({"$ref": "#/components/headers/RequestId"});
    }
    for status in statuses {
        let reference = json!({"$ref": format!("#/components/responses/{}", name(status))});
        responses.entry(status.to_string()).or_insert(reference);
    }
}

fn security_schemes() -> Value {
    json!({
        "basic": {"type": "http", "scheme": "basic", "description":
            "the administrator's user and password, or a token's name and the token"},
        "bearer": {"type": "http", "scheme": "bearer", "description": "a token"},
        "ticket": {"type": "apiKey", "in": "query", "name": "ticket", "description":
            "a ticket of `POST /ws-tickets`, for browsers"},
    })
}

/// What a caller of an operation has to be permitted: as the scope of each way to log in, and in words.
fn require(route: &Route, operation: &mut Value) {
    let permission = route.permission.as_str();
    let mut ways = vec!["basic", "bearer"];
    if route.action == "terminal.open" {
        ways.push("ticket");
    }
    operation["security"] = ways.into_iter().map(|way| json!({way: [permission]})).collect();
    let description = operation["description"].as_str().unwrap_or_default();
    let described = format!("{description}\n\nNeeds the permission `{permission}`.");
    operation["description"] = described.trim_start().into();
}

/// `query` refuses NUL in any text.
fn refuse_nul(schema: &mut Value) {
    let schema = if schema["type"] == "array" { &mut schema["items"] } else { schema };
    if schema["type"] == "string" && schema.get("pattern").is_none() {
        schema["pattern"] = r"^[^\u0000]*$".into();
    }
}

/// Whether an answer may depend on a registry.
fn asks_registries(route: &Route) -> bool {
    let moves_images = ["/images", "/registries"].iter().any(|room| route.path.starts_with(room));
    // An image that is no longer here is pulled by a start as well.
    let pulling = ["create", "update", "recreate", "start", "restart"];
    let may_pull = route.action.strip_prefix("container.").is_some_and(|action| pulling.contains(&action));
    may_pull || (moves_images && (route.method != Method::GET || route.path.ends_with("/search")))
}

/// The statuses of the errors that a route can answer, by what it is.
fn errors(route: &Route, has_body: bool) -> Vec<u16> {
    let is_of_one = route.path.contains("{id}");
    let is_file = route.path.contains("/download");
    let is_socket = route.path.starts_with("/ws");
    let is_change = route.method != Method::GET;
    let mut words = vec![
        Word::ValidationError,
        Word::AuthError,
        Word::Forbidden,
        Word::NotFound,
        Word::MethodNotAllowed,
        Word::RateLimited,
        Word::InternalError,
        Word::ServiceUnavailable,
    ];
    if has_body {
        words.extend([Word::TooLarge, Word::UnsupportedMediaType]);
    }
    if is_change {
        words.extend([Word::Timeout, Word::Conflict, Word::NotSupported]);
        words.push(Word::InsufficientStorage);
    }
    if asks_registries(route) {
        words.push(Word::BadGateway);
    }
    if is_change && is_of_one || route.path.ends_with("/stats") {
        words.push(Word::StateError);
    }
    if ["top", "changes", "inspect", "export"].iter().any(|asked| route.path.ends_with(&format!("/{asked}")))
    {
        words.extend([Word::StateError, Word::NotSupported]);
    }
    if route.path.ends_with("/logs") {
        words.push(Word::NotSupported);
    }
    if is_socket {
        words.push(Word::StateError);
    }
    if is_change && route.path.ends_with("/files") {
        words.push(Word::PreconditionFailed);
    }
    if is_file && !route.path.ends_with("-zip") {
        words.extend([Word::PreconditionFailed, Word::RangeNotSatisfiable]);
    }
    words.into_iter().map(Word::status).collect()
}

/// The name of the component that describes a status.
fn name(status: u16) -> String {
    let reason = StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason());
    reason.unwrap_or("Error").replace(' ', "")
}

fn error_response(status: u16) -> Value {
    let words: Vec<String> = words(status).map(|word| format!("`{}`", word.as_str())).collect();
    let mut headers = json!({"X-Request-Id": {"$ref": "#/components/headers/RequestId"}});
    let names: &[&str] = match status {
        401 => &["WWW-Authenticate"],
        405 => &["Allow"],
        429 => &["Retry-After"],
        502 | 503 => &["Retry-After-503"],
        _ => &[],
    };
    for name in names {
        let plain = name.trim_end_matches("-503");
        headers[plain] = json!({"$ref": format!("#/components/headers/{}", name.replace('-', ""))});
    }
    json!({
        "description": words.join(" or "),
        "headers": headers,
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
    })
}

fn words(status: u16) -> impl Iterator<Item = &'static Word> {
    Word::ALL.iter().filter(move |word| word.status() == status)
}

fn headers() -> Value {
    let text = json!({"type": "string"});
    let seconds = json!({"type": "integer", "minimum": 1});
    json!({
        "RequestId": {"required": true, "schema": text, "description": "the request's id, the client's own where it sent a sane one"},
        "WWWAuthenticate": {"required": true, "schema": text, "description": "the way to log in"},
        "Allow": {"required": true, "schema": text, "description": "the methods that the path takes"},
        "RetryAfter": {"required": true, "schema": seconds, "description": "seconds until another try makes sense"},
        "RetryAfter503": {"schema": seconds, "description": "seconds until another try makes sense, where that is known"},
    })
}

/// The schema of errors with all its words and codes.
fn error_schema() -> Value {
    let mut schema = serde_json::to_value(ErrorBody::schema()).unwrap_or_default();
    let properties = &mut schema["properties"];
    properties["error"]["enum"] = Word::ALL.iter().map(|word| word.as_str()).collect();
    properties["code"]["enum"] = Code::ALL.iter().map(|code| code.as_str()).collect();
    schema
}

/// Makes one object of a schema that includes another: `additionalProperties` looks at one object only.
fn flatten(schemas: &mut Value, name: &str) {
    let parts = schemas[name]["allOf"].as_array().cloned().unwrap_or_default();
    let (mut properties, mut required) = (Map::new(), Vec::new());
    for part in parts {
        let reference = part["$ref"].as_str().and_then(|path| path.rsplit('/').next());
        let part = reference.map_or(&part, |name| &schemas[name]).clone();
        properties.extend(part["properties"].as_object().cloned().unwrap_or_default());
        required.extend(part["required"].as_array().cloned().unwrap_or_default());
    }
    if let Some(schema) = schemas[name].as_object_mut() {
        schema.remove("allOf");
        schema.insert("type".to_owned(), "object".into());
        schema.insert("properties".to_owned(), properties.into());
        schema.insert("required".to_owned(), required.into());
        schema.insert("additionalProperties".to_owned(), false.into());
    }
}

/// All codes, for the introduction.
fn table_of_codes() -> String {
    let row = |code: &Code| {
        format!("| `{}` | `{}` | {} |\n", code.as_str(), code.word().as_str(), code.word().status())
    };
    let rows: String = Code::ALL.iter().map(row).collect();
    format!("| code | error | status |\n|---|---|---|\n{rows}")
}

const INTRODUCTION: &str = "Containers on one host over HTTP, around Docker Compose v2.\n\n\
    Every path wants credentials: the administrator's by HTTP Basic, or a token as Bearer or as Basic's password; each \
    operation names the permission that it needs. Every error has the schema `Error`; `error` names the kind and \
    goes with one status, `code` is the stable reason. Wherever a path has `{id}`, a cuid or the container's \
    unique name serves. `HEAD` works wherever `GET` does. Unknown fields and parameters are refused.";
