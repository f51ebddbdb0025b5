//! The bodies of requests: what is taken stands in the compose file and reads back the same; what is not says why.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use wharfinger::container::commit::CommitRequest;
use wharfinger::container::compose_file::{Definition, Surroundings, read, render};
use wharfinger::container::exec::ExecRequest;
use wharfinger::container::file_request::{MakeFolder, MoveFile};
use wharfinger::container::image_request::NewName;
use wharfinger::container::options::Allowed;
use wharfinger::container::request::{CreateRequest, HostLimits, name, patch, ports};
use wharfinger::container::resources::LimitSet;
use wharfinger::container::spec::Owner;
use wharfinger::container::{Cuid, EngineKind, Spec};
use wharfinger_fuzz::CUID;

static ALLOWED: LazyLock<Allowed> = LazyLock::new(|| {
    let whole = ["privileged", "devices", "cap_add", "security_opt", "sysctls", "ulimits", "oom_score_adj"];
    let values = ["network:host", "pid:host", "ipc:host", "uts:host", "bind:/srv"];
    Allowed::parse(whole.into_iter().chain(values)).expect("tokens")
});

fuzz_target!(|text: &str| {
    let mut bodies = text.split('\n').map(|line| serde_json::from_str::<Value>(line));
    let Some(Ok(body)) = bodies.next() else { return };
    others(&body);
    let limits = HostLimits { cpus: Some(4), lacks: LimitSet::default(), allowed: &ALLOWED };
    let mut spec = match CreateRequest::parse(body, limits) {
        Ok(request) => request.spec,
        Err(violations) => return assert!(!violations.as_slice().is_empty()),
    };
    reads_back(&spec);
    for body in bodies.map_while(Result::ok).take(3) {
        let changed = [patch(&spec, body.clone(), limits), ports(&spec, body)];
        for changed in changed.into_iter().flatten() {
            reads_back(&changed);
            spec = changed;
        }
    }
});

fn reads_back(spec: &Spec) {
    let cuid: Cuid = CUID.parse().expect("a cuid");
    for (engine, boots) in
        [(EngineKind::Docker, false), (EngineKind::Docker, true), (EngineKind::Podman, false)]
    {
        let around =
            Surroundings { owner: Owner { uid: 1000, gid: 1000 }, network: "net".to_owned(), engine };
        let boots = boots && spec.would_boot();
        let definition =
            Definition { boots, ..Definition::new(spec.clone(), "2026-01-31T00:00:00Z".to_owned()) };
        let written = render(cuid, &definition, &around).expect("what was taken can be written");
        let again = read(cuid, &written).unwrap_or_else(|error| panic!("{error}\n{written}"));
        assert_eq!(again, definition, "{written}");
    }
}

fn others(body: &Value) {
    let _ = name(body.clone());
    let _ = CommitRequest::parse(body.clone());
    let _ = NewName::parse(body.clone());
    let _ = MakeFolder::parse(body.clone());
    let _ = MoveFile::parse(body.clone());
    if let Ok(exec) = ExecRequest::parse(body.clone()) {
        assert!(!exec.cmd.is_empty() && exec.cmd.iter().all(|word| !word.contains('\0')));
    }
}
