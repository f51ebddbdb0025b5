//! The bodies of requests, as they stand in the `OpenAPI` document; `container::request` reads them.
#![expect(dead_code, reason = "stands in the OpenAPI document only")]

use std::collections::BTreeMap;

use utoipa::ToSchema;

use super::limits::WantedResources;
use super::schemas;
use super::wire::CommandBody;
use crate::container::port::Protocol;

/// A new container. Unknown fields are refused.
#[derive(ToSchema)]
#[schema(as = CreateContainer, example = json!({
    "image": "python:3.12-slim", "name": "web-1", "command": ["python", "-m", "http.server", "80"],
    "env": {"APP_ENV": "production"}, "ports": [{"host": 8080, "container": 80}], "resources": {"memory": "512m"},
}))]
#[serde(deny_unknown_fields)]
pub struct CreateBody {
    /// The image; it is pulled when the engine does not have it.
    #[schema(schema_with = schemas::image)]
    image: String,
    /// What PATCH can change as well.
    #[serde(flatten)]
    options: OptionsBody,
    /// `running` starts it at once.
    #[schema(default = "created")]
    state: Option<WantedState>,
}

/// A name for an image. Unknown fields are refused.
#[derive(ToSchema)]
#[schema(as = TagImage, example = json!({"tag": "web:stable"}))]
#[serde(deny_unknown_fields)]
pub struct TagImageBody {
    /// The name; without a tag: `latest`.
    #[schema(schema_with = schemas::image_to_make)]
    tag: String,
}

/// The state a new container is to have.
#[derive(ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum WantedState {
    /// Made, not started.
    Created,
    /// Started.
    Running,
}

/// A change of a container. What is not there stays; `null` goes back to the default. Unknown fields are refused.
#[derive(ToSchema)]
#[schema(as = PatchContainer, example = json!({"env": {"APP_ENV": "staging", "DEBUG": null}}))]
#[serde(deny_unknown_fields)]
pub struct PatchBody {
    /// The new image; it is pulled when the engine does not have it.
    #[schema(schema_with = schemas::image, required = false)]
    image: String,
    /// The rest.
    #[serde(flatten)]
    options: OptionsBody,
}

/// What create and PATCH have in common.
#[derive(ToSchema)]
#[schema(as = ContainerOptions)]
pub struct OptionsBody {
    /// A unique name, not of the form of a cuid; it serves wherever a path has `{id}`.
    #[schema(pattern = "^[a-zA-Z0-9][a-zA-Z0-9_.-]{1,63}$", example = "web-1")]
    name: Option<String>,
    /// What to run; `null`: `python -u boot.py` when the mount holds one at the start, else the image's own.
    #[schema(schema_with = schemas::command, required = false)]
    command: Option<CommandBody>,
    /// What to run in place of the image's entrypoint.
    #[schema(schema_with = schemas::command, required = false)]
    entrypoint: Option<CommandBody>,
    /// The environment. PATCH merges; `null` removes a variable.
    #[schema(schema_with = schemas::env, required = false)]
    env: Option<BTreeMap<String, String>>,
    /// Tags; they reach the container joined by commas as `TAGS`. PATCH replaces.
    #[schema(schema_with = schemas::tags, required = false)]
    tags: Option<Vec<String>>,
    /// Labels; `com.docker.compose.` and `io.wharfinger.` are reserved prefixes. PATCH replaces.
    #[schema(schema_with = schemas::labels, required = false)]
    labels: Option<BTreeMap<String, String>>,
    /// Limits. PATCH merges; `null` removes one.
    resources: Option<WantedResources>,
    /// Ports; no two may be on one host port, address and protocol. PATCH replaces.
    ports: Option<Vec<WantedPort>>,
    /// `user`, `uid`, `user:group` or `uid:gid`.
    #[schema(schema_with = schemas::user, required = false)]
    user: Option<String>,
    /// The folder to run in: an absolute path without `.`, `..` and empty parts, no part over 255 bytes.
    #[schema(schema_with = schemas::working_dir, required = false)]
    working_dir: Option<String>,
    /// Where the mount appears, likewise; `null`: no mount.
    #[schema(schema_with = schemas::mount_path, required = false)]
    mount_path: Option<String>,
    /// Compose's words.
    #[schema(pattern = "^(no|always|unless-stopped|on-failure(:[0-9]{1,6})?)$", default = "no")]
    restart: Option<String>,
}

/// A port mapping. Unknown fields are refused.
#[derive(ToSchema)]
#[schema(as = WantedPort)]
#[serde(deny_unknown_fields)]
pub struct WantedPort {
    /// The port on the host; 0 or nothing: the engine picks one at each start.
    #[schema(minimum = 0, maximum = 65535, example = 8080)]
    host: Option<u16>,
    /// The port in the container.
    #[schema(minimum = 1, maximum = 65535, example = 80)]
    container: u16,
    /// The protocol.
    #[schema(default = "tcp")]
    protocol: Option<Protocol>,
    /// The host's address to listen on; `null`: all.
    #[schema(schema_with = schemas::address, required = false)]
    host_ip: Option<String>,
}

/// The list of all ports, in the place of the old one. Unknown fields are refused.
#[derive(ToSchema)]
#[schema(as = ReplacePorts, example = json!({"ports": [{"host": 8080, "container": 80}]}))]
#[serde(deny_unknown_fields)]
pub struct PortsBody {
    /// The ports; no two may be on one host port, address and protocol.
    ports: Vec<WantedPort>,
}

/// Another name. Unknown fields are refused.
#[derive(ToSchema)]
#[schema(as = RenameContainer, example = json!({"name": "web-2"}))]
#[serde(deny_unknown_fields)]
pub struct RenameBody {
    /// A unique name, not of the form of a cuid.
    #[schema(pattern = "^[a-zA-Z0-9][a-zA-Z0-9_.-]{1,63}$", example = "web-2")]
    name: String,
}

/// Who is known to a registry. Unknown fields are refused.
#[derive(ToSchema)]
#[schema(as = Login, example = json!({"username": "me", "password": "a token or the password"}))]
#[serde(deny_unknown_fields)]
pub struct LoginBody {
    /// The user.
    #[schema(min_length = 1, max_length = 255, pattern = r"^[^\x00-\x1f\x7f-\x9f:]*$")]
    username: String,
    /// The password, or a token in its place.
    #[schema(min_length = 1, max_length = 16_384, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$", format = Password)]
    password: String,
}

/// How bytes stand in a JSON string.
#[derive(ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum TextEncoding {
    /// As they are.
    Utf8,
    /// As base64.
    Base64,
}

/// A command to be run in a container. Unknown fields are refused.
#[derive(ToSchema)]
#[schema(as = Exec, example = json!({"cmd": ["python", "-V"], "env": {"DEBUG": true}, "timeout": 10}))]
#[serde(deny_unknown_fields)]
pub struct ExecBody {
    /// The program and its arguments, or a line for `/bin/sh -c`.
    #[schema(schema_with = schemas::cmd)]
    cmd: CommandBody,
    /// Its environment, beside the container's own.
    #[schema(schema_with = schemas::env, required = false)]
    env: Option<BTreeMap<String, String>>,
    /// Who it runs as, instead of the container's user: `user`, `uid`, `user:group` or `uid:gid`.
    #[schema(schema_with = schemas::user, required = false)]
    user: Option<String>,
    /// The folder it runs in, instead of the container's: an absolute path without `.`, `..` and empty parts.
    #[schema(schema_with = schemas::working_dir, required = false)]
    working_dir: Option<String>,
    /// What its standard input holds; without it there is none.
    stdin: Option<String>,
    /// How `stdin` is to be read.
    #[schema(default = "utf8")]
    stdin_encoding: Option<TextEncoding>,
    /// Seconds after which the command and all that it started is ended.
    #[schema(minimum = 1, maximum = 86_400, default = 60)]
    timeout: Option<u32>,
    /// How many bytes of each output are kept; the command can print more.
    #[schema(minimum = 0, maximum = 16_777_216, default = 1_048_576)]
    max_output: Option<u32>,
}

/// An image to be made of a container. Unknown fields are refused.
#[derive(ToSchema)]
#[schema(as = Commit, example = json!({"image": "web:snapshot", "message": "before the upgrade", "changes": ["CMD [\"ls\"]"]}))]
#[serde(deny_unknown_fields)]
pub struct CommitBody {
    /// The image's name, with a tag or `latest`; one that bears it by now loses it.
    #[schema(schema_with = schemas::image_to_make)]
    image: String,
    /// Who made it.
    #[schema(schema_with = schemas::remark, required = false)]
    author: Option<String>,
    /// What it is.
    #[schema(schema_with = schemas::remark, required = false)]
    message: Option<String>,
    /// Instructions of a Dockerfile, one line each.
    #[schema(schema_with = schemas::changes, required = false)]
    changes: Option<Vec<String>>,
    /// Whether the container is frozen meanwhile.
    #[schema(default = true)]
    pause: Option<bool>,
}

/// An image that is to be pulled. Unknown fields are refused.
#[derive(ToSchema)]
#[schema(as = PullImage, example = json!({"image": "python:3.12-slim"}))]
#[serde(deny_unknown_fields)]
pub struct PullBody {
    /// Its name, with a tag, a digest, or `latest`.
    #[schema(schema_with = schemas::image)]
    image: String,
}

/// An image that is to be pushed. Unknown fields are refused.
#[derive(ToSchema)]
#[schema(as = PushImage, example = json!({"image": "registry.example.org/web:1"}))]
#[serde(deny_unknown_fields)]
pub struct PushBody {
    /// Its name, with a tag or `latest`; it begins with the registry.
    #[schema(schema_with = schemas::image_to_make)]
    image: String,
}

/// A zip as a field of a form.
#[derive(ToSchema)]
#[schema(as = UploadForm)]
pub struct UploadForm {
    /// The zip.
    #[schema(value_type = schemas::Binary)]
    file: schemas::Binary,
}

/// The context of a build as a field of a form.
#[derive(ToSchema)]
#[schema(as = ContextForm)]
pub struct ContextForm {
    /// The zip, the tar, or the tar that gzip has compressed.
    #[schema(value_type = schemas::Binary)]
    file: schemas::Binary,
}
