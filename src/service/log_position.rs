//! How far a log has been read, so that reading it anew neither loses nor repeats a message.

use jiff::{SignedDuration, Timestamp};

use crate::engine::StdStream;
use crate::engine::logs::Message;

/// How far before the last message a log is read again: the two outputs are noted side by side, and one may
/// stand a little behind a later one of the other.
const OVERLAP: SignedDuration = SignedDuration::from_secs(1);

/// How far one output has been read.
#[derive(Clone, Copy, Debug, Default)]
struct Mark {
    /// The time of the last message, and how many messages of this very time there were.
    last: Option<(Timestamp, u64)>,
    /// While what is known is read again: how many of that very time there were by now.
    again: Option<u64>,
}

/// How far both have been read. Within one output the engine's times never go back.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Position {
    out: Mark,
    err: Mark,
    /// Of a log that was not read from its beginning: nothing before this is wanted.
    floor: Option<Timestamp>,
}

impl Position {
    /// Of a log whose end alone is wanted; what is older than its first message is not, nor what is older
    /// than `now` if there is no message.
    pub(super) fn of_tail(now: Timestamp) -> Self {
        Self { floor: Some(now), ..Self::default() }
    }

    /// Notes a message; says whether it is new.
    pub(super) fn pass(&mut self, message: &Message) -> bool {
        let is_first = self.out.last.is_none() && self.err.last.is_none();
        let is_again = self.out.again.is_some() || self.err.again.is_some();
        if let Some(floor) = self.floor {
            if is_again && message.at < floor {
                return false;
            }
            if is_first {
                self.floor = Some(message.at.min(floor));
            }
        }
        match message.stream {
            StdStream::Out => self.out.pass(message.at),
            StdStream::Err => self.err.pass(message.at),
        }
    }

    /// From here on the log is read anew, from [`Self::since`] on.
    pub(super) fn resume(&mut self) {
        for mark in [&mut self.out, &mut self.err] {
            mark.again = Some(0);
        }
    }

    /// Where reading it anew begins; none: at its beginning.
    pub(super) fn since(&self) -> Option<Timestamp> {
        let last = [self.out.last, self.err.last].into_iter().flatten().map(|(at, _)| at).max();
        let back = last.and_then(|last| last.checked_sub(OVERLAP).ok());
        match (back, self.floor) {
            (Some(back), Some(floor)) => Some(back.max(floor)),
            (back, floor) => back.or(floor),
        }
    }
}

impl Mark {
    fn pass(&mut self, at: Timestamp) -> bool {
        let Some((last, count)) = &mut self.last else {
            *self = Self { last: Some((at, 1)), again: None };
            return true;
        };
        if let Some(again) = &mut self.again {
            if at < *last {
                return false;
            }
            if at == *last && *again < *count {
                *again += 1;
                return false;
            }
            self.again = None;
        }
        if at == *last {
            *count += 1;
        } else {
            (*last, *count) = (at, 1);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(stream: StdStream, second: i64) -> Message {
        Message { stream, at: Timestamp::new(second, 0).unwrap(), bytes: "x\n".into() }
    }

    /// What is new of `second` after `first` was read.
    fn new_of(first: &[(StdStream, i64)], second: &[(StdStream, i64)]) -> Vec<(StdStream, i64)> {
        let mut position = Position::default();
        assert!(first.iter().all(|(stream, at)| position.pass(&message(*stream, *at))));
        position.resume();
        let since = position.since();
        let told = second.iter().filter(|(_, at)| since.is_none_or(|since| *at >= since.as_second()));
        told.filter(|(stream, at)| position.pass(&message(*stream, *at))).copied().collect()
    }

    #[test]
    fn what_was_read_is_passed_over_and_nothing_else() {
        use StdStream::{Err, Out};
        let whole = [(Out, 1), (Out, 5), (Err, 6), (Out, 5), (Out, 5), (Err, 6), (Out, 7)];
        for read in 0..=whole.len() {
            assert_eq!(new_of(&whole[..read], &whole), whole[read..], "{read}");
        }
    }

    #[test]
    fn of_a_tail_nothing_older_comes_later() {
        use StdStream::{Err, Out};
        let mut position = Position::of_tail(Timestamp::new(100, 0).unwrap());
        position.resume();
        assert!(!position.pass(&message(Out, 99)) && position.pass(&message(Out, 101)));
        let mut position = Position::of_tail(Timestamp::new(100, 0).unwrap());
        assert!(position.pass(&message(Out, 50)));
        position.resume();
        assert_eq!(position.since(), Some(Timestamp::new(50, 0).unwrap()));
        assert!(!position.pass(&message(Err, 49)) && position.pass(&message(Err, 50)));
    }
}
