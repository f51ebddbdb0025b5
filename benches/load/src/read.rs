//! Reads over connections that are kept: each asks again as soon as its answer is whole.

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use serde_json::{Value, json};

use super::answer::is_whole;
use super::measure::{Processor, nanos, percentile};
use super::transport::{Transport, request};

struct Asker {
    transport: Transport,
    answer: Vec<u8>,
    asked: Instant,
}

/// One thread waits for all connections at once: on a host of two processors that leaves more to whoever answers
/// than a thread for each would.
pub fn run(place: &str, path: &str, connections: usize, seconds: f64) -> Value {
    let request = request(path, "");
    let mut askers: Vec<Asker> = (0..connections).map(|_| Asker::new(place, &request)).collect();
    let waiting = epoll::create(CreateFlags::CLOEXEC).unwrap();
    for (number, asker) in askers.iter().enumerate() {
        epoll::add(&waiting, &asker.transport, EventData::new_u64(number as u64), EventFlags::IN).unwrap();
    }
    let processor = Processor::now();
    let begun = Instant::now();
    let end = begun + Duration::from_secs_f64(seconds);
    for asker in &mut askers {
        asker.ask(&request);
    }
    let (mut times, mut bytes) = (Vec::with_capacity(1 << 20), 0);
    let mut events = Vec::with_capacity(connections);
    let mut piece = vec![0; 256 * 1024];
    while Instant::now() < end {
        let limit = Timespec { tv_sec: 10, tv_nsec: 0 };
        events.clear();
        epoll::wait(&waiting, rustix::buffer::spare_capacity(&mut events), Some(&limit)).unwrap();
        assert!(!events.is_empty(), "no answer within 10 s");
        for event in &events {
            let data = event.data;
            let asker = &mut askers[usize::try_from(data.u64()).unwrap()];
            if let Some(time) = asker.take(&mut piece) {
                times.push(time);
                bytes = asker.answer.len();
                asker.ask(&request);
            }
        }
    }
    let took = begun.elapsed().as_secs_f64();
    times.sort_unstable();
    json!({
        "rate": times.len() as f64 / took,
        "p50_us": percentile(&times, 0.5),
        "p99_us": percentile(&times, 0.99),
        "answer_bytes": bytes,
        "client_cpu": processor.share(took),
    })
}

impl Asker {
    /// Connects, and asks once, so that nothing is new when the time begins.
    fn new(place: &str, request: &[u8]) -> Self {
        let transport = Transport::connect(place);
        let mut asker = Self { transport, answer: Vec::with_capacity(1 << 20), asked: Instant::now() };
        asker.ask(request);
        let mut piece = vec![0; 256 * 1024];
        while asker.take(&mut piece).is_none() {}
        asker
    }

    fn ask(&mut self, request: &[u8]) {
        self.answer.clear();
        self.asked = Instant::now();
        self.transport.write_all(request).unwrap();
    }

    /// Takes what has come; how long it took, when it is whole.
    fn take(&mut self, piece: &mut [u8]) -> Option<u32> {
        let length = self.transport.read(piece).unwrap();
        assert_ne!(length, 0, "the connection was closed");
        self.answer.extend_from_slice(&piece[..length]);
        is_whole(&self.answer).then(|| nanos(self.asked))
    }
}
