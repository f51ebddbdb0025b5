//! What the pure parts cost: `cargo bench --bench parts`.
#![allow(missing_docs, clippy::unwrap_used, reason = "a program that measures")]

use std::collections::BTreeMap;
use std::hint::black_box;

use bytes::Bytes;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use wharfinger::container::compose_file::{Definition, Surroundings, read, render};
use wharfinger::container::port::{Port, Protocol};
use wharfinger::container::spec::{CommandLine, Owner};
use wharfinger::container::{Cuid, EngineKind, Spec};
use wharfinger::engine::StdStream;
use wharfinger::engine::demux::Demux;
use wharfinger::service::ListQuery;
use wharfinger::service::catalog::{Catalog, Known};
use wharfinger::terminal::frame::{ClientFrame, Encoding, ServerMessage};
use wharfinger::terminal::utf8::Utf8;

/// As much as is read from the engine at once.
const READ: usize = 32 * 1024;
const KNOWN: u64 = 1000;

criterion_group!(parts, frames, utf8, demux, compose_file, list);
criterion_main!(parts);

fn output(line: &str) -> String {
    line.chars().cycle().take(READ / line.len() * line.chars().count()).collect()
}

fn frames(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("frames");
    let keys = r#"{"type":"stdin","data":"x","encoding":"utf8"}"#;
    group.bench_function("decode one key", |bencher| {
        bencher.iter(|| ClientFrame::parse(black_box(keys)).unwrap());
    });
    let typed =
        serde_json::json!({"type": "stdin", "data": output("a pasted line, \"quoted\"\n")}).to_string();
    group.throughput(Throughput::Bytes(READ as u64));
    group.bench_function("decode 32 KiB", |bencher| {
        bencher.iter(|| ClientFrame::parse(black_box(&typed)).unwrap());
    });
    for (name, line) in
        [("plain text", "2026-01-01T00:00:00 a line of a log\n"), ("colours", "\x1b[32mok\x1b[0m\r\n")]
    {
        let text = output(line);
        group.bench_function(format!("encode 32 KiB of {name}"), |bencher| {
            let message = || ServerMessage::output(StdStream::Out, text.clone(), Encoding::Utf8);
            bencher.iter_batched(message, |message| message.to_text(), BatchSize::SmallInput);
        });
    }
    group.finish();
}

fn utf8(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("UTF-8");
    group.throughput(Throughput::Bytes(READ as u64));
    let binary: Vec<u8> = (0_u8..=255).cycle().take(READ).collect();
    let kinds = [
        ("ASCII", output("a line of a log\n").into_bytes()),
        ("text of many scripts", output("naïve façade — 日本語のログ 🚢\n").into_bytes()),
        ("what is no text", binary),
    ];
    for (name, bytes) in kinds {
        let mut utf8 = Utf8::default();
        // Read in two pieces, the first of which ends within a character where there is one of several bytes.
        let half = bytes.len() / 2;
        let within = (half..half + 64).find(|at| bytes[*at] & 0xc0 == 0x80);
        let (one, other) = bytes.split_at(within.unwrap_or(half));
        group.bench_function(format!("32 KiB of {name}"), |bencher| {
            bencher.iter(|| (utf8.feed(black_box(one)), utf8.feed(black_box(other))));
        });
    }
    group.finish();
}

fn demux(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("the engine's frames");
    group.throughput(Throughput::Bytes(READ as u64));
    for length in [80_u32, 8 * 1024] {
        let mut frame = vec![1, 0, 0, 0];
        frame.extend_from_slice(&length.to_be_bytes());
        frame.resize(8 + length as usize, b'x');
        let read = Bytes::from(frame.repeat(READ / frame.len()));
        group.bench_function(format!("32 KiB in frames of {length} bytes"), |bencher| {
            bencher.iter(|| {
                let (mut demux, mut pieces) = (Demux::default(), Vec::new());
                demux.feed(black_box(&read), &mut pieces).unwrap();
                pieces
            });
        });
    }
    group.finish();
}

/// A container with a bit of everything.
fn definition(number: u64) -> Definition {
    let text = |text: &str| text.to_owned();
    let mut spec = Spec::of_image(text("registry.example.org/shop/web:1.2"));
    spec.name = Some(format!("web-{number}"));
    spec.command = Some(CommandLine::Shell(text("exec python -m http.server \"$PORT\"")));
    spec.env = (0..10).map(|at| (format!("NAME_{at}"), format!("a value, its number is {at}"))).collect();
    spec.tags = vec![text("shop"), format!("tenant-{}", number % 10)];
    spec.labels = BTreeMap::from([(text("org.example.team"), text("web"))]);
    spec.ports = vec![Port { host: 0, container: 80, protocol: Protocol::Tcp, host_ip: None }];
    Definition::new(spec, format!("2026-01-01T00:{:02}:{:02}.000Z", number / 60 % 60, number % 60))
}

fn compose_file(criterion: &mut Criterion) {
    let around = Surroundings {
        owner: Owner { uid: 1000, gid: 1000 },
        network: "wharfinger".to_owned(),
        engine: EngineKind::Docker,
    };
    let (cuid, definition) = (Cuid::new(), definition(1));
    let text = render(cuid, &definition, &around).unwrap();
    let mut group = criterion.benchmark_group("compose.yaml");
    group.bench_function("render", |bencher| {
        bencher.iter(|| render(cuid, black_box(&definition), &around).unwrap());
    });
    group.bench_function("read", |bencher| bencher.iter(|| read(cuid, black_box(&text)).unwrap()));
    group.finish();
}

fn list(criterion: &mut Criterion) {
    let catalog = Catalog::default();
    for number in 0..KNOWN {
        catalog.put(Known::new(Cuid::new(), Ok(definition(number))));
    }
    let query = |tag: &str, name: Option<&str>| ListQuery {
        tags: Some(tag.to_owned()).into_iter().filter(|tag| !tag.is_empty()).collect(),
        name: name.map(str::to_owned),
        ..ListQuery::default()
    };
    let mut group = criterion.benchmark_group("1,000 containers");
    group.throughput(Throughput::Elements(KNOWN));
    let kinds = [
        ("no filter", query("", None)),
        ("a tag", query("tenant-7", None)),
        ("a name", query("", Some("-99"))),
    ];
    for (name, query) in kinds {
        group.bench_function(format!("list by {name}"), |bencher| {
            bencher
                .iter(|| catalog.all().into_iter().filter(|known| query.asks_for(known)).collect::<Vec<_>>());
        });
    }
    group.finish();
}
