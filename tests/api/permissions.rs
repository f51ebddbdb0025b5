//! What each operation needs, written down here by hand and compared with every answer of the daemon.

use std::collections::BTreeSet;

use crate::support::*;

const DR: &str = "docker:read";
const DW: &str = "docker:write";
const DX: &str = "docker:execute";
const FR: &str = "files:read";
const FW: &str = "files:write";
const IR: &str = "image:read";
const IW: &str = "image:write";
const HR: &str = "health:read";
const AA: &str = "access:admin";
const AR: &str = "audit:read";
const PERMISSIONS: [&str; 10] = [DR, DW, DX, FR, FW, IR, IW, AR, HR, AA];

const ADMIN: &[&str] = &PERMISSIONS;
const WRITE: &[&str] = &[DR, DW, FR, FW, IR, IW, HR];
const READ: &[&str] = &[DR, IR, HR];

/// Method, path, permission, and the query of a request that changes nothing: a parameter that is not known is
/// refused before any work.
pub const OPERATIONS: &[(&str, &str, &str, &str)] = &[
    ("POST", "/containers", DW, "?nonsense=1"),
    ("GET", "/containers", DR, ""),
    ("GET", "/containers/{id}", DR, ""),
    ("GET", "/containers/{id}/status", DR, ""),
    ("PATCH", "/containers/{id}", DW, ""),
    ("PATCH", "/containers/{id}/ports", DW, ""),
    ("DELETE", "/containers/{id}", DW, ""),
    ("POST", "/containers/{id}/start", DW, ""),
    ("POST", "/containers/{id}/stop", DW, ""),
    ("POST", "/containers/{id}/restart", DW, ""),
    ("POST", "/containers/{id}/pause", DW, ""),
    ("POST", "/containers/{id}/unpause", DW, ""),
    ("POST", "/containers/{id}/kill", DW, ""),
    ("POST", "/containers/{id}/wait", DR, ""),
    ("POST", "/containers/{id}/rename", DW, ""),
    ("POST", "/containers/{id}/recreate", DW, ""),
    ("POST", "/containers/{id}/exec", DX, ""),
    ("POST", "/containers/{id}/upload-zip", FW, ""),
    ("GET", "/containers/{id}/download", FR, "?path=a"),
    ("GET", "/containers/{id}/download-zip", FR, ""),
    ("GET", "/containers/{id}/files", FR, ""),
    ("PUT", "/containers/{id}/files", FW, "?path=a"),
    ("DELETE", "/containers/{id}/files", FW, "?path=a"),
    ("POST", "/containers/{id}/files/mkdir", FW, ""),
    ("POST", "/containers/{id}/files/move", FW, ""),
    ("GET", "/containers/{id}/top", DR, ""),
    ("GET", "/containers/{id}/changes", DR, ""),
    ("GET", "/containers/{id}/inspect", DR, ""),
    ("GET", "/containers/{id}/compose", DR, ""),
    ("GET", "/containers/{id}/export", FR, ""),
    ("POST", "/containers/{id}/commit", IW, "?nonsense=1"),
    ("POST", "/containers/prune", DW, "?nonsense=1"),
    ("POST", "/images/build", IW, "?nonsense=1"),
    ("POST", "/images/pull", IW, "?nonsense=1"),
    ("POST", "/images/push", IW, "?nonsense=1"),
    ("GET", "/containers/{id}/logs", DR, ""),
    ("GET", "/containers/{id}/stats", DR, ""),
    ("GET", "/images", IR, ""),
    ("GET", "/images/search", IR, "?nonsense=1"),
    ("POST", "/images/prune", IW, "?nonsense=1"),
    ("POST", "/images/load", IW, "?nonsense=1"),
    ("POST", "/images/import", IW, "?nonsense=1"),
    ("GET", "/images/{ref}/history", IR, ""),
    ("GET", "/images/{ref}/save", IR, ""),
    ("POST", "/images/{ref}/tag", IW, "?nonsense=1"),
    ("GET", "/images/{ref}", IR, ""),
    ("DELETE", "/images/{ref}", IW, ""),
    ("GET", "/stats", DR, ""),
    ("GET", "/events", DR, "?until=0s"),
    ("GET", "/registries", IR, ""),
    ("PUT", "/registries/{host}", IW, "?nonsense=1"),
    ("DELETE", "/registries/{host}", IW, ""),
    ("GET", "/tokens", AA, ""),
    ("POST", "/tokens", AA, ""),
    ("GET", "/tokens/{token}", AA, ""),
    ("DELETE", "/tokens/{token}", AA, ""),
    ("GET", "/roles", AA, ""),
    ("PUT", "/roles/{name}", AA, "?nonsense=1"),
    ("DELETE", "/roles/{name}", AA, ""),
    ("POST", "/ws-tickets", DX, ""),
    ("GET", "/ws/{id}", DX, ""),
    ("GET", "/audit", AR, ""),
    ("GET", "/healthz", HR, ""),
    ("GET", "/metrics", HR, ""),
    ("GET", "/ping", HR, ""),
    ("GET", "/version", HR, ""),
    ("GET", "/info", DR, ""),
    ("GET", "/openapi.json", HR, ""),
    ("GET", "/docs", HR, ""),
    ("GET", "/docs/{file}", HR, ""),
];

/// A path that leads to nothing that is there, or where `id` is told to that container.
pub fn path_of(template: &str, query: &str, id: &str) -> String {
    let path = template
        .replace("{id}", id)
        .replace("{ref}", "wharfinger-test/none:1")
        .replace("{host}", "none.example")
        .replace("{token}", "t00000000-0000-4000-8000-000000000000")
        .replace("{name}", "no-such-role")
        .replace("{file}", "none.css");
    format!("{path}{query}")
}

/// What has an answer without any container or image.
const AT_ONCE: &[&str] = &[
    "/containers",
    "/images",
    "/registries",
    "/tokens",
    "/roles",
    "/audit",
    "/healthz",
    "/ping",
    "/version",
    "/info",
    "/openapi.json",
];

pub const NOBODY: &str = "c00000000-0000-4000-8000-000000000000";

pub async fn ask(api: &Api, method: &str, path: &str) -> Answer {
    let request = api.request(method, path);
    let has_body = ["POST", "PUT", "PATCH"].contains(&method);
    api.send(if has_body { request.json(&json!({})) } else { request }).await
}

fn is_missing(answer: &Answer) -> bool {
    answer.status == 403 && answer.json()["code"] == "PERMISSION_MISSING"
}

/// Asks for every operation, and compares with what the permissions come to.
async fn walk(api: &Api, permissions: &[&str], who: &str) {
    for (method, template, permission, query) in OPERATIONS {
        let answer = ask(api, method, &path_of(template, query, NOBODY)).await;
        if permissions.contains(permission) {
            assert!(
                answer.status != 401 && !is_missing(&answer) && answer.status != 429,
                "{who} may {method} {template}: {} {}",
                answer.status,
                answer.text()
            );
            if *method == "GET" && AT_ONCE.contains(template) {
                answer.expect(200);
            }
        } else {
            let refused = answer.refused("forbidden", "PERMISSION_MISSING");
            assert_eq!(refused["details"]["required"], *permission, "{who}: {method} {template}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_document_has_the_operations_of_the_table_and_names_their_permissions() {
    let api = shared().await;
    let document = api.get("/openapi.json").await.expect(200);
    let mut told = BTreeSet::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let method = method.to_uppercase();
            let row = OPERATIONS.iter().find(|row| row.0 == method && row.1 == path);
            let (_, _, permission, _) = row.unwrap_or_else(|| panic!("no row for {method} {path}"));
            told.insert((method.clone(), path.clone()));
            let mut ways = vec![json!({"basic": [permission]}), json!({"bearer": [permission]})];
            if path == "/ws/{id}" {
                ways.push(json!({"ticket": [permission]}));
            }
            assert_eq!(operation["security"], Value::from(ways), "{method} {path}");
            let description = operation["description"].as_str().unwrap_or_default();
            assert!(description.contains(&format!("`{permission}`")), "{method} {path}: {description}");
        }
    }
    let rows: BTreeSet<_> = OPERATIONS.iter().map(|row| (row.0.to_owned(), row.1.to_owned())).collect();
    assert_eq!(rows.len(), OPERATIONS.len(), "no row stands twice");
    let untold: Vec<_> = rows.difference(&told).collect();
    assert!(untold.is_empty(), "rows without an operation: {untold:?}");
    let ways = document["components"]["securitySchemes"].as_object().unwrap();
    assert_eq!(ways.keys().collect::<Vec<_>>(), ["basic", "bearer", "ticket"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_built_in_roles_permit_what_the_contract_says() {
    let api = shared().await;
    let roles = api.get("/roles").await.expect(200);
    let of = |name: &str| {
        let role = roles["roles"].as_array().unwrap().iter().find(|role| role["name"] == name).unwrap();
        assert_eq!(role["built_in"], true);
        role["permissions"]
            .as_array()
            .unwrap()
            .iter()
            .map(|p| p.as_str().unwrap().to_owned())
            .collect::<BTreeSet<_>>()
    };
    let set = |permissions: &[&str]| permissions.iter().map(|p| (*p).to_owned()).collect::<BTreeSet<_>>();
    assert_eq!((of("admin"), of("write"), of("read")), (set(ADMIN), set(WRITE), set(READ)));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_good_credentials_every_operation_is_401() {
    let daemon = Daemon::start().await;
    let expired = daemon.make_token(json!({"roles": ["admin"], "expires_in": 1})).await;
    let revoked = daemon.make_token(json!({"roles": ["admin"]})).await;
    revoked.api.get("/ping").await.expect(200);
    daemon.revoke(&revoked.id).await;
    let wrong = format!("{}{}", &revoked.secret[..20], "A".repeat(revoked.secret.len() - 20));
    let cuid = daemon.idle(json!({})).await;
    tokio::time::sleep(Duration::from_millis(1100)).await;
    for (at, (method, template, _, query)) in OPERATIONS.iter().enumerate() {
        let path = path_of(template, query, &cuid);
        // Ten failures a minute of one address are 401, and here each operation brings four.
        let from = |api: Api| api.from([127, 0, 3, u8::try_from(at / 2 + 1).unwrap()]);
        ask(&from(daemon.with_login(None)), method, &path).await.refused("auth_error", "UNAUTHORIZED");
        for (api, code) in [
            (daemon.bearing(&wrong), "UNAUTHORIZED"),
            (revoked.api.clone(), "UNAUTHORIZED"),
            (daemon.bearing(&revoked.secret), "UNAUTHORIZED"),
            (expired.api.clone(), "TOKEN_EXPIRED"),
            (daemon.bearing(&expired.secret), "TOKEN_EXPIRED"),
        ] {
            let answer = ask(&from(api), method, &path).await;
            answer.refused("auth_error", code);
            let ways: Vec<_> = answer.headers.get_all("www-authenticate").iter().collect();
            assert!(!ways.is_empty(), "{method} {template} says how to log in");
        }
    }
    assert_eq!(daemon.status(&cuid).await, "created");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_role_may_do_what_it_permits_and_nothing_else() {
    let daemon = Daemon::start().await;
    walk(&daemon, ADMIN, "the administrator").await;
    for (role, permissions) in [("admin", ADMIN), ("write", WRITE), ("read", READ)] {
        walk(&daemon.make_token(json!({"roles": [role]})).await.api, permissions, role).await;
        walk(&daemon.token(json!({"roles": [role]})).await, permissions, role).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_permission_permits_what_is_its_own_and_nothing_else() {
    let daemon = Daemon::start().await;
    for permission in PERMISSIONS {
        let api = daemon.token(json!({"permissions": [permission]})).await;
        walk(&api, &[permission], permission).await;
    }
    let listed = daemon.get("/containers").await.expect(200);
    assert_eq!(listed["containers"], json!([]), "nothing was made");
}

/// Two clients, each with one permission that nearly no operation needs: what the one may do the other may not.
async fn lacking(daemon: &Daemon) -> (Api, Api) {
    let none = daemon.token(json!({"permissions": [AR]})).await;
    (none, daemon.token(json!({"permissions": [HR]})).await)
}

#[tokio::test(flavor = "multi_thread")]
async fn head_needs_what_get_needs() {
    let daemon = Daemon::start().await;
    let (none, other) = lacking(&daemon).await;
    let all = daemon.token(json!({"roles": ["admin"]})).await;
    for (method, template, permission, query) in OPERATIONS {
        if *method == "GET" {
            let path = path_of(template, query, NOBODY);
            let none = if *permission == AR { &other } else { &none };
            assert_eq!(ask(none, "HEAD", &path).await.status, 403, "HEAD {template}");
            let may = ask(&all, "HEAD", &path).await.status;
            assert!(![401, 403].contains(&may), "HEAD {template}: {may}");
        }
    }
}

/// A path with the characters of one of its own parts percent-encoded.
fn encoded(path: &str, part: usize, all: bool) -> String {
    let (path, query) = path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
    let mut parts: Vec<String> = path.split('/').map(str::to_owned).collect();
    let many = if all { usize::MAX } else { 1 };
    let at = parts[part].clone();
    parts[part] = at
        .bytes()
        .enumerate()
        .map(|(n, byte)| if n < many { format!("%{byte:02x}") } else { char::from(byte).to_string() })
        .collect();
    let query = query.map(|query| format!("?{query}")).unwrap_or_default();
    format!("{}{query}", parts.join("/"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_that_is_written_in_another_way_needs_the_same() {
    let daemon = Daemon::start().await;
    let cuid = daemon.idle(json!({})).await;
    let (none, other) = lacking(&daemon).await;
    let others: Vec<_> = PERMISSIONS.iter().filter(|p| **p != AA).collect();
    let limited = daemon.token(json!({"permissions": others, "containers": [NOBODY]})).await;
    for (method, template, permission, query) in OPERATIONS {
        let path = path_of(template, query, &cuid);
        let none = if *permission == AR { &other } else { &none };
        for part in 1..path.split('?').next().unwrap().split('/').count() {
            for all in [false, true] {
                let path = encoded(&path, part, all);
                let answer = ask(none, method, &path).await;
                let refused = answer.refused("forbidden", "PERMISSION_MISSING");
                assert_eq!(refused["details"]["required"], *permission, "{method} {path}");
                if template.contains("{id}") {
                    ask(&limited, method, &path).await.refused("not_found", "CONTAINER_NOT_FOUND");
                }
            }
        }
        for path in
            [format!("/{path}"), format!("//x/..{path}"), path.replacen('/', "/./", 1), format!("{path}/")]
        {
            let answer = ask(none, method, &path).await;
            assert!([403, 404, 405].contains(&answer.status), "{method} {path}: {}", answer.status);
        }
    }
    assert_eq!(daemon.status(&cuid).await, "created");
}

#[tokio::test(flavor = "multi_thread")]
async fn to_a_limited_token_the_containers_of_others_do_not_exist() {
    let daemon = Daemon::start().await;
    let name = unique("mine");
    let (mine, other) =
        (daemon.idle(json!({"name": name})).await, daemon.idle(json!({"name": unique("other")})).await);
    let other_name = daemon.container(&other).await["name"].as_str().unwrap().to_owned();
    let permissions: Vec<_> = PERMISSIONS.iter().filter(|permission| **permission != AA).collect();
    let limited = daemon.token(json!({"permissions": permissions, "containers": [mine]})).await;
    let mut told = BTreeSet::new();
    for (method, template, permission, query) in OPERATIONS {
        if *permission == AA {
            let path = path_of(template, query, &other);
            assert!(is_missing(&ask(&limited, method, &path).await), "{method} {path}");
        } else if template.contains("{id}") {
            for id in [&other, &other_name, &NOBODY.to_owned()] {
                let path = path_of(template, query, id);
                let answer = ask(&limited, method, &path).await;
                let error = answer.refused("not_found", "CONTAINER_NOT_FOUND");
                told.insert(error["message"].as_str().unwrap().replace(id.as_str(), "…"));
            }
        }
    }
    assert_eq!(told.len(), 1, "one that is hidden is told as one that is not there: {told:?}");
    for id in [&mine, &name] {
        limited.get(&format!("/containers/{id}")).await.expect(200);
        limited.post_json("/ws-tickets", &json!({"id": id})).await.expect(201);
    }
    limited.post_json("/ws-tickets", &json!({"id": other})).await.refused("not_found", "CONTAINER_NOT_FOUND");
    for cuid in [&mine, &other] {
        assert_eq!(daemon.status(cuid).await, "created");
    }
}
