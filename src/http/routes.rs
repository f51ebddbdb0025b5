//! The whole route table on one page: method, path, the action's name in the audit log, the permission it needs.
//! The gate reads it; no handler looks at permissions by itself.

use std::sync::LazyLock;

use crate::codes::Code;
use crate::service::Permission::{
    self, AccessAdmin, AuditRead, DockerExecute, DockerRead, DockerWrite, FilesRead, FilesWrite, HealthRead,
    ImageRead, ImageWrite,
};
use actix_web::dev::{ResourceDef, Url};
use actix_web::http::header::ALLOW;
use actix_web::http::{Method, Uri};
use actix_web::{App, web};
use utoipa::openapi::OpenApi;
use utoipa_actix_web::AppExt;

use super::error::ApiError;
use super::{
    access, actions, containers, docs, events, exec, file_manager, files, health, images, inspection,
    lifecycle, logs, metrics, prune, registries, stats, system, taken, terminal, wait,
};

/// One route.
pub struct Route {
    /// Its method. `HEAD` works wherever `GET` does.
    pub method: Method,
    /// Its path.
    pub path: &'static str,
    /// Its name in the audit log.
    pub action: &'static str,
    /// What a caller has to be permitted.
    pub permission: Permission,
    pattern: Pattern,
}

/// What the paths of a route have in common.
enum Pattern {
    /// The parts between the slashes; none stands for one that may be anything but empty.
    Parts(Vec<Option<&'static str>>),
    /// The router's own, for the name of an image, which has slashes in it.
    Image(ResourceDef),
}

impl Pattern {
    fn of(path: &'static str) -> Self {
        if path.contains("{ref}") {
            return Self::Image(ResourceDef::new(path.replace("{ref}", "{ref:.+}")));
        }
        Self::Parts(path.split('/').map(|part| (!part.starts_with('{')).then_some(part)).collect())
    }

    /// Each request asks this several times: the router's expressions were a third of what a read cost.
    fn is_match(&self, path: &str) -> bool {
        match self {
            Self::Parts(parts) => {
                let mut given = path.split('/');
                let is_same = |part: Option<&str>| match (part, given.next()) {
                    (Some(part), Some(given)) => part == given,
                    (None, Some(given)) => !given.is_empty(),
                    (_, None) => false,
                };
                parts.iter().copied().all(is_same) && given.next().is_none()
            }
            Self::Image(pattern) => pattern.is_match(path),
        }
    }
}

/// Every route.
pub static ROUTES: LazyLock<Vec<Route>> = LazyLock::new(|| {
    vec![
        route(Method::POST, "/containers", "container.create", DockerWrite),
        route(Method::GET, "/containers", "container.list", DockerRead),
        // What is asked most often comes first: the router tries them in this order.
        route(Method::GET, "/containers/{id}/status", "container.status", DockerRead),
        route(Method::GET, "/containers/{id}", "container.get", DockerRead),
        route(Method::PATCH, "/containers/{id}", "container.update", DockerWrite),
        route(Method::PATCH, "/containers/{id}/ports", "container.update_ports", DockerWrite),
        route(Method::DELETE, "/containers/{id}", "container.delete", DockerWrite),
        route(Method::POST, "/containers/{id}/start", "container.start", DockerWrite),
        route(Method::POST, "/containers/{id}/stop", "container.stop", DockerWrite),
        route(Method::POST, "/containers/{id}/restart", "container.restart", DockerWrite),
        route(Method::POST, "/containers/{id}/pause", "container.pause", DockerWrite),
        route(Method::POST, "/containers/{id}/unpause", "container.unpause", DockerWrite),
        route(Method::POST, "/containers/{id}/kill", "container.kill", DockerWrite),
        route(Method::POST, "/containers/{id}/wait", "container.wait", DockerRead),
        route(Method::POST, "/containers/{id}/rename", "container.rename", DockerWrite),
        route(Method::POST, "/containers/{id}/recreate", "container.recreate", DockerWrite),
        route(Method::POST, "/containers/{id}/exec", "exec.run", DockerExecute),
        route(Method::POST, "/containers/{id}/upload-zip", "files.upload", FilesWrite),
        route(Method::GET, "/containers/{id}/download", "files.download", FilesRead),
        route(Method::GET, "/containers/{id}/download-zip", "files.download_zip", FilesRead),
        route(Method::GET, "/containers/{id}/files", "files.list", FilesRead),
        route(Method::PUT, "/containers/{id}/files", "files.put", FilesWrite),
        route(Method::DELETE, "/containers/{id}/files", "files.delete", FilesWrite),
        route(Method::POST, "/containers/{id}/files/mkdir", "files.mkdir", FilesWrite),
        route(Method::POST, "/containers/{id}/files/move", "files.move", FilesWrite),
        route(Method::GET, "/containers/{id}/top", "container.top", DockerRead),
        route(Method::GET, "/containers/{id}/changes", "container.changes", DockerRead),
        route(Method::GET, "/containers/{id}/inspect", "container.inspect", DockerRead),
        route(Method::GET, "/containers/{id}/compose", "container.compose", DockerRead),
        route(Method::GET, "/containers/{id}/export", "container.export", FilesRead),
        route(Method::POST, "/containers/{id}/commit", "container.commit", ImageWrite),
        route(Method::POST, "/containers/prune", "container.prune", DockerWrite),
        route(Method::POST, "/images/build", "image.build", ImageWrite),
        route(Method::POST, "/images/pull", "image.pull", ImageWrite),
        route(Method::POST, "/images/push", "image.push", ImageWrite),
        route(Method::GET, "/containers/{id}/logs", "container.logs", DockerRead),
        route(Method::GET, "/containers/{id}/stats", "container.stats", DockerRead),
        route(Method::GET, "/images", "image.list", ImageRead),
        route(Method::GET, "/images/search", "image.search", ImageRead),
        route(Method::POST, "/images/prune", "image.prune", ImageWrite),
        route(Method::POST, "/images/load", "image.load", ImageWrite),
        route(Method::POST, "/images/import", "image.import", ImageWrite),
        route(Method::GET, "/images/{ref}/history", "image.history", ImageRead),
        route(Method::GET, "/images/{ref}/save", "image.save", ImageRead),
        route(Method::POST, "/images/{ref}/tag", "image.tag", ImageWrite),
        route(Method::GET, "/images/{ref}", "image.get", ImageRead),
        route(Method::DELETE, "/images/{ref}", "image.delete", ImageWrite),
        route(Method::GET, "/stats", "stats.list", DockerRead),
        route(Method::GET, "/events", "events.list", DockerRead),
        route(Method::GET, "/registries", "registry.list", ImageRead),
        route(Method::PUT, "/registries/{host}", "registry.set", ImageWrite),
        route(Method::DELETE, "/registries/{host}", "registry.delete", ImageWrite),
        route(Method::GET, "/tokens", "token.list", AccessAdmin),
        route(Method::POST, "/tokens", "token.create", AccessAdmin),
        route(Method::GET, "/tokens/{token}", "token.get", AccessAdmin),
        route(Method::DELETE, "/tokens/{token}", "token.revoke", AccessAdmin),
        route(Method::GET, "/roles", "role.list", AccessAdmin),
        route(Method::PUT, "/roles/{name}", "role.set", AccessAdmin),
        route(Method::DELETE, "/roles/{name}", "role.delete", AccessAdmin),
        route(Method::POST, "/ws-tickets", "ticket.create", DockerExecute),
        route(Method::GET, "/ws/{id}", "terminal.open", DockerExecute),
        route(Method::GET, "/audit", "audit.list", AuditRead),
        route(Method::GET, "/healthz", "health.get", HealthRead),
        route(Method::GET, "/metrics", "metrics.get", HealthRead),
        route(Method::GET, "/ping", "system.ping", HealthRead),
        route(Method::GET, "/version", "system.version", HealthRead),
        route(Method::GET, "/info", "system.info", DockerRead),
        route(Method::GET, "/openapi.json", "docs.openapi", HealthRead),
        route(Method::GET, "/docs", "docs.page", HealthRead),
        route(Method::GET, "/docs/{file}", "docs.file", HealthRead),
    ]
});

/// Whether the action of this name changes something.
pub fn is_change(action: &str) -> bool {
    ROUTES.iter().any(|route| route.action == action && route.is_change())
}

/// Registers the handlers of the routes above, in the same order.
macro_rules! register {
    ($config:expr) => {
        $config
            .service(containers::create)
            .service(containers::list)
            .service(containers::status)
            .service(containers::get)
            .service(containers::update)
            .service(containers::update_ports)
            .service(containers::remove)
            .service(lifecycle::start)
            .service(lifecycle::stop)
            .service(lifecycle::restart)
            .service(lifecycle::pause)
            .service(lifecycle::unpause)
            .service(lifecycle::kill)
            .service(wait::wait)
            .service(lifecycle::rename)
            .service(lifecycle::recreate)
            .service(exec::run)
            .service(files::upload)
            .service(files::download)
            .service(files::download_zip)
            .service(file_manager::list)
            .service(file_manager::put_file)
            .service(file_manager::remove)
            .service(file_manager::mkdir)
            .service(file_manager::move_file)
            .service(inspection::top)
            .service(inspection::changes)
            .service(inspection::inspect)
            .service(inspection::compose)
            .service(taken::export)
            .service(taken::commit)
            .service(prune::prune)
            .service(images::build::build)
            .service(images::transfer::pull)
            .service(images::transfer::push)
            .service(logs::logs)
            .service(images::list::list)
            .service(images::list::search)
            .service(images::changes::prune)
            .service(images::archives::load)
            .service(images::archives::import)
            .service(images::list::history)
            .service(images::archives::save)
            .service(images::changes::tag)
            .service(images::list::get)
            .service(images::changes::remove)
            .service(stats::one)
            .service(stats::of_all)
            .service(events::events)
            .service(registries::list)
            .service(registries::set)
            .service(registries::remove)
            .service(access::list)
            .service(access::create)
            .service(access::get)
            .service(access::revoke)
            .service(access::roles)
            .service(access::set_role)
            .service(access::remove_role)
            .service(access::create_ticket)
            .service(terminal::open)
            .service(actions::list)
            .service(health::healthz)
            .service(metrics::show)
            .service(system::ping)
            .service(system::version)
            .service(system::info)
            .service(docs::openapi)
            .service(docs::page)
            .service(docs::file)
    };
}

/// What a worker serves.
pub fn configure(config: &mut web::ServiceConfig) {
    register!(config);
}

/// What the handlers say of themselves. Takes some megabytes while it is made, so it is not made before it is asked for.
#[must_use]
pub fn described() -> OpenApi {
    let describe = |config: &mut utoipa_actix_web::service_config::ServiceConfig<'_>| {
        register!(config);
    };
    App::new().into_utoipa_app().configure(describe).split_for_parts().1
}

fn route(method: Method, path: &'static str, action: &'static str, permission: Permission) -> Route {
    Route { method, path, action, permission, pattern: Pattern::of(path) }
}

impl Route {
    /// Whether a path is one of this route.
    fn is_match(&self, path: &str) -> bool {
        self.pattern.is_match(path) && !(self.path.ends_with("{ref}") && is_part_of_image(path))
    }

    /// Whether it changes something on the host or in the engine, or lets someone run a process there: its intent is
    /// in the audit log before it begins. What its method says, but for two.
    #[must_use]
    pub fn is_change(&self) -> bool {
        match self.action {
            "terminal.open" => true,
            "container.wait" => false,
            _ => self.method != Method::GET,
        }
    }

    /// What stands for `{id}` in a path of this route: a container.
    #[must_use]
    pub fn id(&self, path: &str) -> Option<String> {
        let part = path.split('/').nth(self.place_of_id()?)?;
        Some(percent_encoding::percent_decode_str(part).decode_utf8_lossy().into_owned())
    }

    /// A path of this route with another text for `{id}`.
    #[must_use]
    pub fn with_id(&self, path: &str, id: &str) -> String {
        let mut parts: Vec<&str> = path.split('/').collect();
        if let Some(part) = self.place_of_id().and_then(|at| parts.get_mut(at)) {
            *part = id;
        }
        parts.join("/")
    }

    fn place_of_id(&self) -> Option<usize> {
        self.path.split('/').position(|part| part == "{id}")
    }
}

/// Whether a path is that of a part of an image, as `/images/a/b/history` is.
#[must_use]
pub fn is_part_of_image(path: &str) -> bool {
    ROUTES.iter().any(|route| route.path.contains("{ref}/") && route.pattern.is_match(path))
}

/// The route of a method and a path as the router reads it, if there is one.
#[must_use]
pub fn find(method: &Method, path: &str) -> Option<&'static Route> {
    let method = if *method == Method::HEAD { &Method::GET } else { method };
    ROUTES.iter().find(|route| route.method == *method && route.is_match(path))
}

/// A path as the router reads it, which takes `/%63ontainers` for `/containers`: whoever looks a route up by what
/// the client wrote finds another one than the handler's, or none.
#[must_use]
pub fn path_of(uri: &Uri) -> String {
    Url::new(uri.clone()).path().to_owned()
}

/// Why a path is not served with a method.
#[must_use]
pub fn unknown(path: &str) -> ApiError {
    match allowed(path) {
        Some(allow) => {
            let message = format!("this path takes {allow}");
            ApiError::new(Code::MethodNotAllowed, message).with_header(ALLOW, allow)
        }
        None => ApiError::new(Code::RouteNotFound, "no such path: /docs shows all of them"),
    }
}

/// The methods that a path takes, as `Allow` writes them; none: there is no such path.
#[must_use]
fn allowed(path: &str) -> Option<String> {
    let mut methods = Vec::new();
    // A path that is spelt out (`/containers/prune`) is itself, and no name.
    let is_spelt_out = ROUTES.iter().any(|route| route.path == path);
    let is_of = |route: &&Route| if is_spelt_out { route.path == path } else { route.is_match(path) };
    for route in ROUTES.iter().filter(is_of) {
        methods.push(route.method.as_str());
        if route.method == Method::GET {
            methods.push("HEAD");
        }
    }
    (!methods.is_empty()).then(|| methods.join(", "))
}
