//! A server that does nothing: it takes whatever comes for a request and writes the same bytes. What the client
//! reaches with it is the most that any server reaches on this host.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};

/// Stands for the listener among the numbers of streams.
const LISTENER: usize = usize::MAX;

/// Prints its place, and answers until it is killed.
pub fn run(bytes: usize) -> ! {
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {bytes}\r\n\r\n");
    let answer = [head.into_bytes(), vec![b' '; bytes]].concat();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    println!("tcp:{}", listener.local_addr().unwrap());
    let waiting = epoll::create(CreateFlags::CLOEXEC).unwrap();
    epoll::add(&waiting, &listener, EventData::new_u64(LISTENER as u64), EventFlags::IN).unwrap();
    let mut streams: Vec<Option<TcpStream>> = Vec::new();
    let mut events = Vec::with_capacity(64);
    let mut request = [0; 4096];
    loop {
        events.clear();
        epoll::wait(&waiting, rustix::buffer::spare_capacity(&mut events), None).unwrap();
        for event in &events {
            let data = event.data;
            let number = usize::try_from(data.u64()).unwrap();
            if number == LISTENER {
                let (stream, _) = listener.accept().unwrap();
                stream.set_nodelay(true).unwrap();
                let data = EventData::new_u64(streams.len() as u64);
                epoll::add(&waiting, &stream, data, EventFlags::IN).unwrap();
                streams.push(Some(stream));
                continue;
            }
            let Some(stream) = &mut streams[number] else { continue };
            let is_open = matches!(stream.read(&mut request), Ok(1..)) && stream.write_all(&answer).is_ok();
            if !is_open {
                streams[number] = None;
            }
        }
    }
}
