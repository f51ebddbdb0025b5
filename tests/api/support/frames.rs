//! Frames of a WebSocket as the categories of the Autobahn suite have them, sound and broken.

/// What has to become of the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// It goes on: a ping is answered.
    Stays,
    /// It is closed with this code.
    Closes(u16),
}

use Then::{Closes, Stays};

/// Bytes that a client sends behind the handshake.
pub struct Case {
    /// Its number in the suite, or what it is.
    pub name: String,
    pub bytes: Vec<u8>,
    /// In pieces of so many bytes; 0: at once.
    pub pieces: usize,
    pub then: Then,
}

const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
const FIN: u8 = 0x80;
pub const TEXT: u8 = 0x81;
pub const BINARY: u8 = 0x82;
pub const CLOSE: u8 = 0x88;
pub const PING: u8 = 0x89;
pub const PONG: u8 = 0x8a;

/// A masked frame.
pub fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = head(first, payload.len() as u64);
    frame.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}

/// The head of a masked frame that says to have so many bytes.
pub fn head(first: u8, length: u64) -> Vec<u8> {
    let mut head = vec![first];
    match length {
        0..126 => head.push(0x80 | u8::try_from(length).unwrap()),
        126..65_536 => {
            head.push(0x80 | 0x7e);
            head.extend(u16::try_from(length).unwrap().to_be_bytes());
        }
        _ => {
            head.push(0x80 | 0x7f);
            head.extend(length.to_be_bytes());
        }
    }
    head.extend(MASK);
    head
}

/// A message in fragments of so many bytes.
fn fragments(opcode: u8, payload: &[u8], size: usize) -> Vec<u8> {
    let count = payload.len().div_ceil(size);
    let one = |(at, piece): (usize, &[u8])| {
        let first = if at == 0 { opcode } else { 0 };
        frame(if at + 1 == count { FIN | first } else { first }, piece)
    };
    payload.chunks(size).enumerate().flat_map(one).collect()
}

fn close(code: u16, reason: &[u8]) -> Vec<u8> {
    frame(CLOSE, &[&code.to_be_bytes()[..], reason].concat())
}

fn case(name: impl Into<String>, parts: &[Vec<u8>], then: Then) -> Case {
    Case { name: name.into(), bytes: parts.concat(), pieces: 0, then }
}

/// Every case.
pub fn all() -> Vec<Case> {
    let parts =
        [framing(), pings(), reserved(), opcodes(), fragmentation(), utf8(), closing(), limits(), others()];
    parts.into_iter().flatten().collect()
}

fn framing() -> Vec<Case> {
    let mut all = Vec::new();
    for (group, opcode) in [("1.1", TEXT), ("1.2", BINARY)] {
        for size in [0, 125, 126, 127, 128, 65_535, 65_536] {
            all.push(case(format!("{group} {size} bytes"), &[frame(opcode, &vec![b'*'; size])], Stays));
        }
        let chopped = case(format!("{group} in pieces"), &[frame(opcode, &vec![b'*'; 65_536])], Stays);
        all.push(Case { pieces: 997, ..chopped });
    }
    all
}

fn pings() -> Vec<Case> {
    let ten: Vec<Vec<u8>> = (0..10_u8).map(|n| frame(PING, &[b'p', n])).collect();
    vec![
        case("2.1 empty ping", &[frame(PING, b"")], Stays),
        case("2.2 ping", &[frame(PING, b"Hello, world!")], Stays),
        case("2.3 ping of bytes", &[frame(PING, b"\0\xff\xfe\xfd\xfc\xfb\0\xff")], Stays),
        case("2.4 ping of 125", &[frame(PING, &[0xfe; 125])], Stays),
        case("2.5 ping of 126", &[frame(PING, &[0xfe; 126])], Closes(1002)),
        Case { pieces: 1, ..case("2.6 ping byte by byte", &[frame(PING, &[0xfe; 125])], Stays) },
        case("2.7 pong", &[frame(PONG, b"")], Stays),
        case("2.8 pong with bytes", &[frame(PONG, b"unsolicited")], Stays),
        case("2.9 pong, ping", &[frame(PONG, b"unsolicited"), frame(PING, b"solicited")], Stays),
        case("2.10 ten pings", &ten, Stays),
        Case { pieces: 1, ..case("2.11 ten pings byte by byte", &ten, Stays) },
        case("2.x close of 126", &[frame(CLOSE, &[0; 126])], Closes(1002)),
        case("2.x ten thousand pings", &vec![frame(PING, b""); 10_000], Stays),
    ]
}

fn reserved() -> Vec<Case> {
    let rsv = |bits: u8, first: u8, payload: &[u8]| frame(first | bits << 4, payload);
    let (text, ping) = (frame(TEXT, b"Hello, world!"), frame(PING, b""));
    let mut all = vec![
        case("3.1 RSV 1", &[rsv(1, TEXT, b"x")], Closes(1002)),
        case("3.2 text, RSV 2, ping", &[text.clone(), rsv(2, TEXT, b"x"), ping.clone()], Closes(1002)),
        case("3.3 text, RSV 3, ping", &[text.clone(), rsv(3, TEXT, b"x"), ping.clone()], Closes(1002)),
        case("3.5 RSV 5 of bytes", &[rsv(5, BINARY, b"\0\xff")], Closes(1002)),
        case("3.6 RSV 6 of a ping", &[rsv(6, PING, b"x")], Closes(1002)),
        case("3.7 RSV 7 of a close", &[rsv(7, CLOSE, b"")], Closes(1002)),
    ];
    let chopped = case("3.4 RSV 4 byte by byte", &[text, rsv(4, TEXT, b"x"), ping], Closes(1002));
    all.push(Case { pieces: 1, ..chopped });
    all
}

fn opcodes() -> Vec<Case> {
    let (text, ping) = (frame(TEXT, b"Hello"), frame(PING, b""));
    let mut all = Vec::new();
    for (group, first) in [("4.1", 3), ("4.2", 11)] {
        for (at, opcode) in (first..first + 5).enumerate() {
            let bad = |payload: &[u8]| frame(FIN | opcode, payload);
            let parts = match at {
                0 => vec![bad(b"")],
                1 => vec![bad(b"reserved payload")],
                2 => vec![text.clone(), bad(b""), ping.clone()],
                _ => vec![text.clone(), bad(b"reserved payload"), ping.clone()],
            };
            let one = case(format!("{group}.{} opcode {opcode}", at + 1), &parts, Closes(1002));
            all.push(Case { pieces: usize::from(at == 4), ..one });
        }
    }
    all
}

fn fragmentation() -> Vec<Case> {
    let (first, middle, last) = (frame(1, b"one"), frame(0, b"two"), frame(FIN, b"three"));
    let (ping, text) = (frame(PING, b"ping"), frame(TEXT, b"text"));
    let halves = [first.clone(), last.clone()];
    let with_pings =
        [first.clone(), ping.clone(), middle.clone(), ping.clone(), middle.clone(), last.clone()];
    let chopped =
        |name: &str, pieces: usize, parts: &[Vec<u8>], then| Case { pieces, ..case(name, parts, then) };
    vec![
        case("5.1 ping in fragments", &[frame(9, b"one"), last.clone()], Closes(1002)),
        case("5.2 pong in fragments", &[frame(10, b"one"), last.clone()], Closes(1002)),
        case("5.x close in fragments", &[frame(8, b"\x03\xe8"), last.clone()], Closes(1002)),
        case("5.3 text in two", &halves, Stays),
        chopped("5.4 text in two, in pieces", 3, &halves, Stays),
        chopped("5.5 text in two, byte by byte", 1, &halves, Stays),
        case("5.6 text in two, ping between", &[first.clone(), ping.clone(), last.clone()], Stays),
        chopped("5.8 likewise byte by byte", 1, &[first.clone(), ping.clone(), last.clone()], Stays),
        case("5.9 end without a beginning", &[last.clone(), text.clone()], Closes(1002)),
        chopped("5.11 likewise byte by byte", 1, &[last.clone(), text.clone()], Closes(1002)),
        case("5.12 middle without a beginning", &[middle.clone(), text.clone()], Closes(1002)),
        chopped("5.14 likewise byte by byte", 1, &[middle.clone(), text.clone()], Closes(1002)),
        case("5.15 two ends", &[first.clone(), last.clone(), middle.clone(), text.clone()], Closes(1002)),
        case("5.18 two beginnings", &[first.clone(), frame(TEXT, b"other")], Closes(1002)),
        case("5.x bytes in a text", &[first.clone(), frame(BINARY, b"other")], Closes(1002)),
        case("5.x two beginnings that go on", &[first, frame(1, b"other")], Closes(1002)),
        case("5.19 with pings", &with_pings, Stays),
        chopped("5.20 with pings, in pieces", 2, &with_pings, Stays),
    ]
}

fn utf8() -> Vec<Case> {
    let greek = "Hello-µ@ßöäüàá-UTF-8!!".as_bytes();
    let mut all = vec![
        case("6.1.1 no bytes", &[frame(TEXT, b"")], Stays),
        case("6.1.2 fragments without bytes", &[frame(1, b""), frame(0, b""), frame(FIN, b"")], Stays),
        case("6.1.3 bytes in the middle", &[frame(1, b""), frame(0, b"mid"), frame(FIN, b"")], Stays),
        case("6.2.1 at once", &[frame(TEXT, greek)], Stays),
        case("6.2.2 in two", &[fragments(1, greek, 12)], Stays),
        case("6.2.3 byte by byte", &[fragments(1, greek, 1)], Stays),
        case("6.x bytes need be no text", &[frame(BINARY, b"\xff\xfe")], Stays),
    ];
    // Non-characters and the first and last of each length are sound.
    for sound in [
        "\0",
        "\u{7f}",
        "\u{80}",
        "\u{7ff}",
        "\u{800}",
        "\u{d7ff}",
        "\u{e000}",
        "\u{fffd}",
        "\u{fffe}",
        "\u{ffff}",
        "\u{10000}",
        "\u{1fffe}",
        "\u{10ffff}",
    ] {
        all.push(case(
            format!("6.5 to 6.9, 6.22 {}", sound.escape_unicode()),
            &[frame(TEXT, sound.as_bytes())],
            Stays,
        ));
    }
    let broken: [&[u8]; 22] = [
        b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80edited",
        b"\xce\xba\xe1\xbd\xb9\xf4\x90\x80\x80edited",
        b"\xf8\x88\x80\x80\x80",
        b"\xfc\x84\x80\x80\x80\x80",
        b"\xf7\xbf\xbf\xbf",
        b"\xf4\x90\x80\x80",
        b"\x80",
        b"\xbf\x80\xbf",
        b"\xc0 \xc1 ",
        b"\xe0 \xe1 ",
        b"\xf0 ",
        b"\xc0",
        b"\xe0\x80",
        b"\xf0\x80\x80",
        b"\xfe",
        b"\xff",
        b"\xfe\xfe\xff\xff",
        b"\xc0\xaf",
        b"\xe0\x80\xaf",
        b"\xc1\xbf",
        b"\xed\xa0\x80\xed\xb0\x80",
        b"\xed\xbf\xbf",
    ];
    for (at, bytes) in broken.iter().enumerate() {
        all.push(case(format!("6.3 to 6.21 {at} at once"), &[frame(TEXT, bytes)], Closes(1007)));
        if at % 4 == 0 {
            all.push(case(format!("6.3 to 6.21 {at} byte by byte"), &[fragments(1, bytes, 1)], Closes(1007)));
        }
    }
    all
}

fn closing() -> Vec<Case> {
    let (text, ping, plain) = (frame(TEXT, b"Hello"), frame(PING, b""), close(1000, b""));
    let mut all = vec![
        case("7.1.1 text, close", &[text.clone(), plain.clone()], Closes(1000)),
        case("7.1.2 two closes", &[plain.clone(), plain.clone()], Closes(1000)),
        case("7.1.3 close, ping", &[plain.clone(), ping], Closes(1000)),
        case("7.1.4 close, text", &[plain.clone(), text], Closes(1000)),
        case(
            "7.1.5 close between fragments",
            &[frame(1, b"a"), plain.clone(), frame(FIN, b"b")],
            Closes(1000),
        ),
        case("7.1.6 much, close", &[frame(TEXT, &[b'*'; 262_144]), plain], Closes(1000)),
        case("7.3.1 close of nothing", &[frame(CLOSE, b"")], Closes(1000)),
        case("7.3.2 close of one byte", &[frame(CLOSE, b"a")], Closes(1002)),
        case("7.3.4 close with a reason", &[close(1000, b"Hello World!")], Closes(1000)),
        case("7.3.5 close with 123 bytes", &[close(1000, &[b'*'; 123])], Closes(1000)),
        case("7.3.6 close with 124 bytes", &[close(1000, &[b'*'; 124])], Closes(1002)),
        case("7.5.1 reason that is no text", &[close(1000, b"\xce\xba\xed\xa0\x80")], Closes(1002)),
    ];
    for code in [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999] {
        all.push(case(format!("7.7 close {code}"), &[close(code, b"")], Closes(1000)));
    }
    for code in [0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999, 5000, 65_535] {
        all.push(case(format!("7.9, 7.13 close {code}"), &[close(code, b"")], Closes(1002)));
    }
    all
}

fn limits() -> Vec<Case> {
    const MOST: usize = 1 << 20;
    let bytes = vec![b'*'; MOST + 1];
    let (most, over) = (&bytes[..MOST], &bytes);
    let two = [&frame(1, over)[..], &frame(FIN, b"")].concat();
    let many = fragments(1, &vec![b'*'; 2 * MOST], 65_536);
    let chopped = |name: &str, pieces: usize, bytes: Vec<u8>| Case { pieces, ..case(name, &[bytes], Stays) };
    vec![
        case("9.1 a text of 1 MiB", &[frame(TEXT, most)], Stays),
        case("9.2 bytes of 1 MiB", &[frame(BINARY, most)], Stays),
        case("9.3 in fragments of 4096", &[fragments(1, most, 4096)], Stays),
        case("9.4 bytes in fragments of 64", &[fragments(2, &most[..262_144], 64)], Stays),
        chopped("9.5 in pieces of 2048", 2048, frame(TEXT, most)),
        chopped("9.6 in pieces of 128", 128, frame(BINARY, &most[..131_072])),
        case("9.x one byte over", &[frame(TEXT, over)], Closes(1009)),
        case("9.x one byte over in a fragment", &[two], Closes(1009)),
        case("9.x over in fragments", &[many], Closes(1009)),
        case("9.x 4 GiB by its head alone", &[head(TEXT, 1 << 32)], Closes(1009)),
        case("9.x a giant behind a ping", &[frame(PING, b""), head(BINARY, 1 << 62)], Closes(1009)),
        case("9.x a giant close", &[head(CLOSE, 1 << 40)], Closes(1009)),
        case("9.x the first bit of a length", &[head(TEXT, 1 << 63)], Closes(1009)),
        case("10.1.1 in fragments of 1300", &[fragments(1, &[b'*'; 65_536], 1300)], Stays),
    ]
}

fn others() -> Vec<Case> {
    let unmasked = [&[TEXT, 5][..], b"Hello"].concat();
    // What compression makes of "Hello": nobody has agreed on it.
    let compressed = frame(TEXT | 0x40, &[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00]);
    vec![
        case("12, 13 compressed", &[compressed], Closes(1002)),
        case("not masked", &[unmasked.clone()], Closes(1002)),
        case("not masked behind a text", &[frame(TEXT, b"Hello"), unmasked], Closes(1002)),
        case("not masked and giant", &[vec![TEXT, 127, 0x7f, 0, 0, 0, 0, 0, 0, 0]], Closes(1002)),
        case("a second handshake", &[b"GET /ws/x HTTP/1.1\r\n\r\n".to_vec()], Closes(1002)),
        case("zeros", &[vec![0; 1000]], Closes(1002)),
        case("ones", &[vec![0xff; 1000]], Closes(1002)),
    ]
}
