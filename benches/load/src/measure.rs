//! What every part measures.

use std::time::Instant;

use serde_json::{Value, json};

/// The processor time of this thread, which is the whole program, in seconds.
pub struct Processor(f64);

impl Processor {
    pub fn now() -> Self {
        let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
        Self(text.split(' ').next().unwrap().parse::<f64>().unwrap() / 1e9)
    }

    /// The share of one processor since then.
    pub fn share(&self, seconds: f64) -> f64 {
        (Self::now().0 - self.0) / seconds
    }
}

/// Microseconds below which a share of the times lies; the times are in order.
pub fn percentile(times: &[u32], share: f64) -> f64 {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index below the length")]
    let at = (times.len() as f64 * share) as usize;
    f64::from(times[at.min(times.len() - 1)]) / 1e3
}

/// Nanoseconds since then.
pub fn nanos(begun: Instant) -> u32 {
    u32::try_from(begun.elapsed().as_nanos()).unwrap_or(u32::MAX)
}

/// How many bytes of output came, and in what time from the first to the last of them.
#[derive(Default)]
pub struct Flood {
    bytes: u64,
    first: Option<(Instant, Processor)>,
    last: Option<Instant>,
}

impl Flood {
    /// Some output has come. The first is not counted as a part of the rate: it is where the time begins.
    pub fn came(&mut self, bytes: usize) {
        self.bytes += bytes as u64;
        let now = Instant::now();
        self.first.get_or_insert_with(|| (now, Processor::now()));
        self.last = Some(now);
    }

    pub fn told(&self) -> Value {
        let (first, processor) = self.first.as_ref().expect("something is printed");
        let seconds = self.last.map_or(0.0, |last| last.duration_since(*first).as_secs_f64());
        json!({"bytes": self.bytes, "seconds": seconds, "client_cpu": processor.share(seconds)})
    }
}

/// Somebody at a terminal.
pub trait Typist {
    /// Types one character that the terminal echoes.
    fn key(&mut self);
    /// Waits until something is printed.
    fn wait(&mut self);
    /// Leaves.
    fn leave(self);
}

/// Keys typed one after the other, each when the one before has come back.
pub struct Keys;

impl Keys {
    pub fn type_in(mut typist: impl Typist, keys: &str) -> Value {
        let keys: usize = keys.parse().unwrap();
        let mut times = Vec::with_capacity(keys);
        // The first keys find nothing warm.
        for number in 0..keys + 20 {
            let begun = Instant::now();
            typist.key();
            typist.wait();
            if number >= 20 {
                times.push(nanos(begun));
            }
        }
        typist.leave();
        times.sort_unstable();
        json!({"keys": keys, "p50_us": percentile(&times, 0.5), "p99_us": percentile(&times, 0.99)})
    }
}
