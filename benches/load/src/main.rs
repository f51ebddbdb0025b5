//! The client of `script/bench` for whatever Python would be too slow for. The same program drives both sides of
//! a comparison, so that what it costs itself is the same for both; it says what that was (`client_cpu`, the share
//! of one processor).
//!
//! ```text
//! load read  WHERE PATH CONNECTIONS SECONDS       requests a second, and how long they take
//! load answer BYTES                               a server that answers so many bytes to whatever it is asked
//! load fetch WHERE PATH FILE                      one answer's body, written to a file
//! load flood ws WHERE PATH                        the output of a terminal to its end
//! load flood pipe|pty COMMAND…                    the output of a command to its end
//! load echo  ws WHERE PATH KEYS                   how long a typed key takes to come back
//! load echo  pty KEYS COMMAND…
//! ```
//!
//! WHERE is `tcp:127.0.0.1:8080` or `unix:/run/docker.sock`. `LOAD_AUTHORIZATION` holds the header's value, so that
//! no command line shows it. The answer is one line of JSON.
#![allow(
    missing_docs,
    clippy::disallowed_methods,
    clippy::cast_precision_loss,
    reason = "a program that measures: what goes wrong ends it"
)]

mod answer;
mod answerer;
mod command;
mod measure;
mod read;
mod transport;
mod websocket;

use measure::Keys;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match words.as_slice() {
        ["read", place, path, connections, seconds] => {
            read::run(place, path, connections.parse().unwrap(), seconds.parse().unwrap())
        }
        ["answer", bytes] => answerer::run(bytes.parse().unwrap()),
        ["fetch", place, path, file] => answer::fetch(place, path, file),
        ["flood", "ws", place, path] => websocket::flood(place, path),
        ["flood", kind @ ("pipe" | "pty"), command @ ..] => command::flood(command, *kind == "pty"),
        ["echo", "ws", place, path, keys] => Keys::type_in(websocket::typist(place, path), keys),
        ["echo", "pty", keys, command @ ..] => Keys::type_in(command::typist(command), keys),
        _ => panic!("this is the client of script/bench; its source says how it is called"),
    };
    println!("{result}");
}
