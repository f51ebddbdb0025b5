//! The server: bind first, then run.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::Ordering;
use std::time::Duration;

use actix_web::dev::{Server, ServerHandle};
use actix_web::http::KeepAlive;
use actix_web::middleware::from_fn;
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use rustls::ServerConfig;

use super::error::{ApiResult, CAPTURES_TRACES};
use super::gate::gate;
use super::held::{self, HoldLimits};
use super::{State, descriptors, leaving, routes};

/// How long the head of a request may take.
const HEAD_LIMIT: Duration = Duration::from_secs(10);
/// How long the answers that are on their way have at a shutdown, when all changes have ended.
pub const LAST_ANSWERS: Duration = Duration::from_secs(2);
/// How long a TLS handshake may take.
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(10);

/// How the server listens.
#[derive(Clone, Debug)]
pub struct ServerSettings {
    /// The address.
    pub host: IpAddr,
    /// The port; 0: any.
    pub port: u16,
    /// How many connections are open at a time.
    pub max_connections: usize,
    /// How long a connection may be held.
    pub hold: HoldLimits,
    /// How TLS is spoken; none: plain HTTP.
    pub tls: Option<ServerConfig>,
}

/// A server that is bound and not yet run.
pub struct Listener {
    /// Where it listens.
    pub address: SocketAddr,
    /// The server; it has to be awaited.
    pub server: Server,
    /// The way to stop it.
    pub handle: ServerHandle,
}

/// Binds the address. Nothing is answered before the server is awaited.
pub fn listen(state: State, settings: ServerSettings) -> io::Result<Listener> {
    CAPTURES_TRACES.store(state.development, Ordering::Relaxed);
    let state = web::Data::new(state);
    let workers = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
    descriptors::make_room(settings.max_connections);
    let per_worker = settings.max_connections.div_ceil(workers);
    let server = HttpServer::new(move || {
        let gated = state.clone();
        App::new()
            .app_data(state.clone())
            .configure(routes::configure)
            .default_service(web::to(unknown))
            .wrap(from_fn(move |request, next| gate(gated.clone(), request, next)))
    })
    .on_connect(move |connection, extensions| {
        if let Some(socket) = leaving::remember(connection, extensions) {
            held::watch(socket, extensions, settings.hold);
        }
    })
    .workers(workers)
    .max_connections(per_worker)
    // As many as there may be connections: handshakes that stall must not keep others out before those do.
    .max_connection_rate(per_worker)
    .tls_handshake_timeout(HANDSHAKE_LIMIT)
    // A client that ends TLS may wait for this side to do so too before it closes the socket, which is all
    // that tells its end where it reads nothing more (see `leaving`).
    .h1_allow_half_closed(settings.tls.is_none())
    .client_request_timeout(HEAD_LIMIT)
    .keep_alive(KeepAlive::Timeout(settings.hold.idle))
    .shutdown_timeout(LAST_ANSWERS.as_secs())
    .disable_signals();
    let address = (settings.host, settings.port);
    let server = match settings.tls {
        Some(tls) => server.bind_rustls_0_23(address, tls),
        None => server.bind(address),
    }?;
    let address = server.addrs().first().copied().ok_or(io::ErrorKind::AddrNotAvailable)?;
    let server = server.run();
    let handle = server.handle();
    Ok(Listener { address, server, handle })
}

/// Answers what no handler takes: a wrong method, or no such path.
async fn unknown(request: HttpRequest) -> ApiResult<HttpResponse> {
    Err(routes::unknown(&routes::path_of(request.uri())))
}
