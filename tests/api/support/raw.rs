//! Bytes on the wire, as no client library would send them.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use super::{Api, Daemon};

/// How long a test waits for what has to come.
const PATIENCE: f64 = 20.0;

/// A connection.
pub struct Raw {
    pub socket: TcpStream,
    pub heard: Vec<u8>,
}

/// The `Host` and `Authorization` lines of a request that is let in.
pub fn known(api: &Api) -> String {
    format!("Host: x\r\nAuthorization: {}\r\n", api.authorization().unwrap())
}

impl Raw {
    pub async fn to(daemon: &Daemon) -> Self {
        Self { socket: TcpStream::connect(daemon.address()).await.unwrap(), heard: Vec::new() }
    }

    /// A connection whose client takes few bytes at a time.
    pub async fn narrow(daemon: &Daemon) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        let address: SocketAddr = daemon.address().parse().unwrap();
        Self { socket: socket.connect(address).await.unwrap(), heard: Vec::new() }
    }

    /// Sends; that the other side hears it is not said.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        let _ = self.socket.write_all(bytes.as_ref()).await;
        self
    }

    /// Reads to the end of the connection, which has to come; however it comes.
    pub async fn end(&mut self) -> String {
        self.end_within(PATIENCE).await
    }

    pub async fn end_within(&mut self, seconds: f64) -> String {
        let read = self.socket.read_to_end(&mut self.heard);
        drop(super::within("the connection is closed", seconds, read).await);
        self.text()
    }

    /// Whether the connection is closed within this time, whatever comes before; sends `drip` every `every`.
    pub async fn ends_while(&mut self, drip: &[u8], every: Duration, seconds: f64) -> Option<Duration> {
        let begun = Instant::now();
        let mut piece = [0; 4096];
        while begun.elapsed().as_secs_f64() < seconds {
            match tokio::time::timeout(every, self.socket.read(&mut piece)).await {
                Ok(Ok(0) | Err(_)) => return Some(begun.elapsed()),
                Ok(Ok(count)) => self.heard.extend(&piece[..count]),
                Err(_) => {
                    if self.socket.write_all(drip).await.is_err() {
                        return Some(begun.elapsed());
                    }
                }
            }
        }
        None
    }

    /// Reads until nothing comes for a moment, or to the end: whether that came.
    pub async fn settle(&mut self, quiet: Duration) -> bool {
        let mut piece = vec![0; 65_536];
        loop {
            match tokio::time::timeout(quiet, self.socket.read(&mut piece)).await {
                Ok(Ok(0) | Err(_)) => return true,
                Ok(Ok(count)) => self.heard.extend(&piece[..count]),
                Err(_) => return false,
            }
        }
    }

    /// Reads until so much was heard, or this text.
    pub async fn until(&mut self, text: &str) -> &mut Self {
        let mut piece = [0; 4096];
        while !self.text().contains(text) {
            let count = super::within(text, PATIENCE, self.socket.read(&mut piece)).await.unwrap_or(0);
            assert!(count > 0, "it ended before {text:?}: {}", self.text());
            self.heard.extend(&piece[..count]);
        }
        self
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.heard).into_owned()
    }

    /// The statuses of all answers.
    pub fn statuses(&self) -> Vec<u16> {
        let text = self.text();
        let lines = text.split("HTTP/1.1 ").skip(1);
        lines.filter_map(|line| line.get(..3)?.parse().ok()).filter(|status| *status != 100).collect()
    }
}

/// The processor time that a process took so far, in seconds.
pub fn processor_time(pid: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    let ticks: f64 = fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap();
    ticks / 100.0
}

/// How many connections of clients the daemon has.
pub fn connections(daemon: &Daemon) -> usize {
    let port: u16 = daemon.address().rsplit(':').next().unwrap().parse().unwrap();
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let own = format!(":{port:04X}");
    let rows = table.lines().skip(1).map(|line| line.split_whitespace().collect::<Vec<_>>());
    // Established, or closed by the other side alone.
    rows.filter(|row| row[1].ends_with(&own) && ["01", "08"].contains(&row[3])).count()
}

/// Whether this is a long run.
pub fn is_long() -> bool {
    std::env::var("RELIABILITY_ROUNDS").is_ok()
}
