//! `/openapi.json` and `/docs`.

use crate::support::*;

/// Every route of §2 to §4, and the statuses it is bound to name.
const ROUTES: &[(&str, &str, &str)] = &[
    ("/containers", "post", "201"),
    ("/containers", "get", "200"),
    ("/containers/{id}", "get", "200"),
    ("/containers/{id}/status", "get", "200"),
    ("/containers/{id}", "patch", "200"),
    ("/containers/{id}/ports", "patch", "200"),
    ("/containers/{id}/start", "post", "200"),
    ("/containers/{id}/stop", "post", "200"),
    ("/containers/{id}/restart", "post", "200"),
    ("/containers/{id}/pause", "post", "200"),
    ("/containers/{id}/unpause", "post", "200"),
    ("/containers/{id}", "delete", "200"),
    ("/containers/{id}/upload-zip", "post", "200"),
    ("/containers/{id}/download", "get", "200"),
    ("/containers/{id}/download-zip", "get", "200"),
    ("/containers/{id}/files", "get", "200"),
    ("/containers/{id}/files", "put", "201"),
    ("/containers/{id}/files", "put", "412"),
    ("/containers/{id}/files", "delete", "412"),
    ("/containers/{id}/files/mkdir", "post", "201"),
    ("/containers/{id}/files/move", "post", "409"),
    ("/ws/{id}", "get", "101"),
    ("/healthz", "get", "200"),
];

#[tokio::test(flavor = "multi_thread")]
async fn the_document_is_openapi_3_1_and_has_every_route() {
    let api = shared().await;
    let answer = api.get("/openapi.json").await;
    let doc = answer.expect(200);
    assert!(answer.header("content-type").unwrap().starts_with("application/json"));
    assert!(doc["openapi"].as_str().unwrap().starts_with("3.1."), "{}", doc["openapi"]);
    for (path, method, status) in ROUTES {
        let operation = &doc["paths"][path][method];
        assert!(operation.is_object(), "{method} {path} is not documented");
        assert!(operation["responses"].get(status).is_some(), "{method} {path}: no {status}");
        assert!(operation["responses"].get("401").is_some(), "{method} {path}: no 401");
        if path.contains("{id}") {
            assert!(operation["responses"].get("404").is_some(), "{method} {path}: no 404");
            assert!(operation["parameters"].to_string().contains("\"id\""), "{method} {path}: no id");
        }
    }
    let schemes = &doc["components"]["securitySchemes"];
    assert!(schemes.to_string().contains("\"basic\""), "{schemes}");
    let text = doc.to_string();
    for word in crate::support::answer::WORDS {
        assert!(text.contains(word.0), "the error word {} is not documented", word.0);
    }
    for code in wharfinger::codes::Code::ALL {
        assert!(text.contains(code.as_str()), "the code {} is not documented", code.as_str());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_reference_in_the_document_leads_somewhere() {
    let api = shared().await;
    let doc = api.get("/openapi.json").await.expect(200);
    let text = doc.to_string();
    let found = regex::Regex::new(r##""\$ref":"#(/[^"]+)""##).unwrap();
    for reference in found.captures_iter(&text) {
        assert!(doc.pointer(&reference[1]).is_some(), "{} leads nowhere", &reference[1]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_query_parameters_are_documented() {
    let api = shared().await;
    let doc = api.get("/openapi.json").await.expect(200);
    for (path, method, names) in [
        ("/containers", "get", &["status", "tag", "name", "image", "limit", "cursor"][..]),
        ("/containers/{id}/stop", "post", &["timeout"]),
        ("/containers/{id}/restart", "post", &["timeout"]),
        ("/containers/{id}", "delete", &["force", "keep_files"]),
        ("/containers/{id}/upload-zip", "post", &["path", "mode"]),
        ("/containers/{id}/download", "get", &["path"]),
        ("/containers/{id}/download-zip", "get", &["path"]),
        ("/containers/{id}/files", "get", &["path", "limit", "cursor"]),
        ("/containers/{id}/files", "put", &["path"]),
        ("/containers/{id}/files", "delete", &["path", "recursive"]),
        ("/ws/{id}", "get", &["cols", "rows", "tty", "cmd", "user", "working_dir", "env", "mode"]),
    ] {
        let parameters = doc["paths"][path][method]["parameters"].as_array().unwrap();
        for name in names {
            assert!(
                parameters.iter().any(|p| p["name"] == *name && p["in"] == "query"),
                "{method} {path}: {name}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn docs_is_a_page_that_loads_nothing_from_elsewhere() {
    let api = shared().await;
    let mut answer = api.get("/docs").await;
    for _ in 0..3 {
        if (300..400).contains(&answer.status) {
            let to = answer.header("location").unwrap().to_owned();
            answer = api.get(to.strip_prefix(&api.base).unwrap_or(&to)).await;
        }
    }
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(answer.header("content-type").unwrap().starts_with("text/html"));
    let remote = regex::Regex::new(r#"(?:src|href)=["'](?:https?:)?//"#).unwrap();
    assert!(!remote.is_match(&answer.text()), "{}", answer.text());
}

/// The names of the fields that the refusal of an unknown one lists, where `field` names the unknown one.
fn listed(error: &Value, field: &str) -> Vec<String> {
    let violations = error["details"]["violations"].as_array().unwrap_or_else(|| panic!("{error}"));
    let found = violations.iter().find(|violation| violation["field"] == field);
    let message = found.unwrap_or_else(|| panic!("{field}: {error}"))["message"].as_str().unwrap();
    let names = message.split("the fields are ").nth(1).unwrap_or_else(|| panic!("no list: {message}"));
    let mut names: Vec<String> = names.split(", ").map(str::to_owned).collect();
    names.sort();
    names
}

/// The properties of a schema of the document, which has to refuse all others.
fn properties(doc: &Value, name: &str) -> Vec<String> {
    let schema = &doc["components"]["schemas"][name];
    assert_eq!(schema["additionalProperties"], false, "{name}: {schema}");
    let mut names: Vec<String> = schema["properties"].as_object().unwrap().keys().cloned().collect();
    names.sort();
    names
}

#[tokio::test(flavor = "multi_thread")]
async fn the_fields_of_requests_are_those_of_the_schemas() {
    let api = shared().await;
    let doc = api.get("/openapi.json").await.expect(200);
    let cuid = api.idle(json!({})).await;
    let unheard =
        json!({"unheard": 1, "resources": {"unheard": 1}, "ports": [{"container": 1, "unheard": 1}]});
    let create = api.post_json("/containers", &unheard).await.refused("validation_error", "");
    let patch = api.patch(&format!("/containers/{cuid}"), &unheard).await.refused("validation_error", "");
    for (error, schema) in [(&create, "CreateContainer"), (&patch, "PatchContainer")] {
        assert_eq!(listed(error, "unheard"), properties(&doc, schema), "{schema}");
        assert_eq!(listed(error, "resources.unheard"), properties(&doc, "WantedResources"), "{schema}");
        assert_eq!(listed(error, "ports[0].unheard"), properties(&doc, "WantedPort"), "{schema}");
    }
    let body = json!({"ports": [{"container": 1, "unheard": 1}], "unheard": 1});
    let ports = api.patch(&format!("/containers/{cuid}/ports"), &body).await.refused("validation_error", "");
    assert_eq!(listed(&ports, "unheard"), properties(&doc, "ReplacePorts"));
    assert_eq!(listed(&ports, "ports[0].unheard"), properties(&doc, "WantedPort"));
    for (action, schema) in [("mkdir", "MakeFolder"), ("move", "MoveFile")] {
        let path = format!("/containers/{cuid}/files/{action}");
        let error = api.post_json(&path, &json!({"unheard": 1})).await.refused("validation_error", "");
        assert_eq!(listed(&error, "unheard"), properties(&doc, schema), "{schema}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_operation_has_an_id_of_its_own_a_summary_and_its_errors_in_the_schema() {
    let api = shared().await;
    let doc = api.get("/openapi.json").await.expect(200);
    let mut ids = std::collections::BTreeSet::new();
    for (path, item) in doc["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let id = operation["operationId"].as_str().unwrap_or_else(|| panic!("{method} {path}: no id"));
            assert!(ids.insert(id.to_owned()), "{method} {path}: {id} stands twice");
            assert!(operation["summary"].is_string(), "{method} {path}: no summary");
            assert!(!operation.get("parameters").is_some_and(Value::is_null), "{method} {path}: {operation}");
            for (status, response) in operation["responses"].as_object().unwrap() {
                let reference = response["$ref"].as_str().map(|reference| &reference[1..]);
                let response = reference.map_or(response, |path| doc.pointer(path).unwrap());
                assert!(response["headers"]["X-Request-Id"].is_object(), "{method} {path}: {status}");
                let header = match status.as_str() {
                    "201" | "302" => "Location",
                    "401" => "WWW-Authenticate",
                    "405" => "Allow",
                    "429" => "Retry-After",
                    _ => continue,
                };
                assert!(
                    response["headers"][header].is_object(),
                    "{method} {path}: {status} without {header}"
                );
            }
        }
    }
    let error = &doc["components"]["schemas"]["Error"]["properties"];
    let words: Vec<&str> = crate::support::answer::WORDS.iter().map(|word| word.0).collect();
    let documented = error["error"]["enum"].as_array().unwrap();
    assert!(words.iter().all(|word| documented.iter().any(|known| known == word)), "{error}");
    assert_eq!(error["code"]["enum"].as_array().unwrap().len(), wharfinger::codes::Code::ALL.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_is_documented_as_bytes_and_as_a_form() {
    let api = shared().await;
    let doc = api.get("/openapi.json").await.expect(200);
    let content = &doc["paths"]["/containers/{id}/upload-zip"]["post"]["requestBody"]["content"];
    for kind in ["application/zip", "application/octet-stream", "multipart/form-data"] {
        assert!(content[kind]["schema"].is_object(), "{kind}: {content}");
    }
    let schemas = &doc["components"]["schemas"];
    assert_eq!(schemas["Binary"]["format"], "binary", "{}", schemas["Binary"]);
    assert_eq!(schemas["UploadForm"]["required"], json!(["file"]), "{}", schemas["UploadForm"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_examples_of_the_document_work() {
    let daemon = Daemon::start().await;
    let doc = daemon.get("/openapi.json").await.expect(200);
    let mut create = doc["components"]["schemas"]["CreateContainer"]["example"].clone();
    create["image"] = json!(BUSYBOX);
    let cuid = daemon.create(&create).await;
    let patch = &doc["components"]["schemas"]["PatchContainer"]["example"];
    let patched = daemon.patch(&format!("/containers/{cuid}"), patch).await.expect(200);
    assert_eq!(patched["env"], json!({"APP_ENV": "staging"}), "{patched}");
    let ports = &doc["components"]["schemas"]["ReplacePorts"]["example"];
    daemon.patch(&format!("/containers/{cuid}/ports"), ports).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_documentation_refuses_unknown_parameters_as_every_path_does() {
    let api = shared().await;
    for path in ["/openapi.json?x=1", "/docs?x=1", "/docs/index.html?x=1"] {
        api.get(path).await.refused("validation_error", "INVALID_QUERY");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_number_may_be_written_with_a_fraction_of_nothing() {
    let api = shared().await;
    let body = json!({
        "ports": [{"container": 80.0, "host": 0.0}], "resources": {"pids": 64.0, "memory": 33_554_432.0},
    });
    let container = api.container(&api.idle(body).await).await;
    assert_eq!(container["ports"][0]["container"], 80, "{container}");
    assert_eq!(container["resources"]["pids"], 64, "{container}");
    assert_eq!(memory(&container["resources"]["memory"]), 33_554_432, "{container}");
    let half = json!({"image": BUSYBOX, "ports": [{"container": 80.5}], "resources": {"pids": 64.5, "memory": 33_554_432.5}});
    let error = api.post_json("/containers", &half).await.refused("validation_error", "");
    assert_eq!(error["details"]["violations"].as_array().map(Vec::len), Some(3), "{error}");
}
