//! Paths of mounts and of requests, and ids: what is taken is taken again as it is written, and leads nowhere else.
#![no_main]

use http::{Method, Uri};
use libfuzzer_sys::fuzz_target;
use wharfinger::container::Cuid;
use wharfinger::files::MountPath;
use wharfinger::http::routes::{find, path_of};
use wharfinger_fuzz::CUID;

fuzz_target!(|text: &str| {
    let target = text.split_once('\n').map(|(target, _)| target);
    let path = text.split_once('\n').map_or(text, |(_, path)| path);
    mount_path(path, target);
    route(path);
    if let Ok(cuid) = path.parse::<Cuid>() {
        assert_eq!((cuid.to_string().as_str(), path.len()), (path, 37), "an id has one spelling");
    }
});

fn mount_path(text: &str, target: Option<&str>) {
    let Ok(path) = MountPath::parse(text, target) else { return };
    let written = path.as_str();
    assert!(written.len() <= 4095 && !written.contains('\0') && !written.chars().any(char::is_control));
    let is_plain = |part: &str| !["", ".", ".."].contains(&part) && part.len() <= 255;
    assert!(path.is_root() || written.split('/').all(is_plain), "{written:?}");
    assert_eq!(MountPath::parse(written, target).ok(), Some(path.clone()), "it is its own spelling");
    let spelt = format!("/app/{written}");
    if spelt.len() <= 4095 {
        assert_eq!(
            MountPath::parse(&spelt, None).ok(),
            Some(path.clone()),
            "so is it from the container's view"
        );
    }
}

fn route(text: &str) {
    let Ok(uri) = text.parse::<Uri>() else { return };
    let path = path_of(&uri);
    for method in [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::HEAD] {
        let Some(route) = find(&method, &path) else { continue };
        let Some(id) = route.id(&path) else { continue };
        assert!(!id.is_empty(), "{path:?}");
        let led = route.with_id(&path, CUID);
        assert_eq!(route.id(&led).as_deref(), Some(CUID), "{path:?}");
        let found = find(&method, &led).expect("it is still a path of the route");
        assert_eq!((found.path, found.action), (route.path, route.action), "{path:?} led to {led:?}");
    }
}
