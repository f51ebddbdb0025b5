//! A connection to a port or to a unix socket.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

pub enum Transport {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Transport {
    pub fn connect(place: &str) -> Self {
        if let Some(path) = place.strip_prefix("unix:") {
            return Self::Unix(UnixStream::connect(path).unwrap());
        }
        let address = place.strip_prefix("tcp:").expect("tcp:ADDRESS:PORT or unix:PATH");
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        Self::Tcp(stream)
    }
}

impl Read for Transport {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.read(buffer),
            Self::Unix(stream) => stream.read(buffer),
        }
    }
}

impl Write for Transport {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.write(bytes),
            Self::Unix(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl AsFd for Transport {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(stream) => stream.as_fd(),
            Self::Unix(stream) => stream.as_fd(),
        }
    }
}

/// The bytes of a request without a body.
pub fn request(path: &str, more: &str) -> Vec<u8> {
    let login = std::env::var("LOAD_AUTHORIZATION").map(|value| format!("Authorization: {value}\r\n"));
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{}{more}\r\n", login.unwrap_or_default()).into_bytes()
}
