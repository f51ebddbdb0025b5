//! Whether the client of a request is still there.

use std::any::Any;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use actix_tls::accept::rustls_0_23::TlsStream;
use actix_web::HttpRequest;
use actix_web::dev::Extensions;
use actix_web::rt::net::TcpStream;
use rustix::net::sockopt;
use tokio::io::Interest;

/// How often a client that has sent something more is looked at again.
const PAUSE: Duration = Duration::from_millis(250);
/// After which silence a peer is asked for a sign of life, how often it is asked again, and how many times.
const KEEPALIVE: (Duration, Duration, u32) = (Duration::from_secs(30), Duration::from_secs(10), 3);

/// A second descriptor of a connection's socket. The server reads and writes through its own; this one only
/// tells when the other side has closed.
#[derive(Clone, Debug)]
struct Peer(Arc<OwnedFd>);

/// Remembers a new connection's socket for the requests that will come on it.
pub fn remember(connection: &dyn Any, extensions: &mut Extensions) -> Option<Arc<OwnedFd>> {
    let stream = socket(connection)?;
    if let Err(error) = keep_alive(stream) {
        tracing::debug!(%error, "a connection goes without keepalive");
    }
    match stream.as_fd().try_clone_to_owned() {
        Ok(socket) => {
            let socket = Arc::new(socket);
            extensions.insert(Peer(Arc::clone(&socket)));
            Some(socket)
        }
        Err(error) => {
            tracing::debug!(%error, "the end of a connection will not be seen");
            None
        }
    }
}

/// The socket of a connection, beneath TLS where that is spoken.
fn socket(connection: &dyn Any) -> Option<&TcpStream> {
    let plain = connection.downcast_ref::<TcpStream>();
    plain.or_else(|| Some(connection.downcast_ref::<TlsStream<TcpStream>>()?.get_ref().0))
}

/// A peer that is gone without a word (its host lost power) is found out within a minute.
fn keep_alive(stream: &TcpStream) -> io::Result<()> {
    let (idle, interval, count) = KEEPALIVE;
    sockopt::set_socket_keepalive(stream, true)?;
    sockopt::set_tcp_keepidle(stream, idle)?;
    sockopt::set_tcp_keepintvl(stream, interval)?;
    Ok(sockopt::set_tcp_keepcnt(stream, count)?)
}

/// Returns when the client has closed its side of the connection or is gone. As in Go's server, and so in
/// Docker's, a client that only closes its sending half counts as gone.
pub fn left(request: &HttpRequest) -> impl Future<Output = ()> + use<> {
    let peer = request.conn_data::<Peer>().cloned();
    async move {
        match peer.as_ref().map(watch) {
            Some(Ok(socket)) => until_closed(&socket).await,
            Some(Err(_)) | None => std::future::pending().await,
        }
    }
}

fn watch(peer: &Peer) -> io::Result<TcpStream> {
    TcpStream::from_std(std::net::TcpStream::from(peer.0.try_clone()?))
}

async fn until_closed(socket: &TcpStream) {
    loop {
        match socket.ready(Interest::READABLE.add(Interest::ERROR)).await {
            Ok(ready) if !ready.is_read_closed() && !ready.is_error() => tokio::time::sleep(PAUSE).await,
            Ok(_) | Err(_) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
    use tokio::io::AsyncWriteExt;
    use tokio::net::TcpStream;
    use tokio::sync::mpsc;
    use tokio::time::timeout;

    use super::{left, remember};

    fn server() -> (std::net::SocketAddr, mpsc::UnboundedReceiver<()>) {
        let (tell, told) = mpsc::unbounded_channel();
        let handler = move |request: HttpRequest| {
            let tell = tell.clone();
            async move {
                left(&request).await;
                let _ = tell.send(());
                HttpResponse::Ok().finish()
            }
        };
        let server = HttpServer::new(move || App::new().route("/", web::get().to(handler.clone())));
        let server = server
            .workers(1)
            .on_connect(|connection, extensions| drop(remember(connection, extensions)))
            .bind("127.0.0.1:0")
            .unwrap();
        let address = server.addrs()[0];
        actix_web::rt::spawn(server.run());
        (address, told)
    }

    #[actix_web::test]
    async fn a_client_that_closes_is_seen_at_once_also_when_it_has_sent_more() {
        let (address, mut told) = server();
        for more in [&b""[..], b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"] {
            let mut client = TcpStream::connect(address).await.unwrap();
            client.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
            client.write_all(more).await.unwrap();
            let early = timeout(Duration::from_millis(400), told.recv()).await;
            assert!(early.is_err(), "it is still there");
            drop(client);
            timeout(Duration::from_secs(20), told.recv()).await.expect("it has left").unwrap();
        }
    }
}
