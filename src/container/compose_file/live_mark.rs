//! What ties a compose file to the engine's container that was changed to it without Compose.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use sha2::{Digest, Sha256};

/// The mark of a container of the engine and of all that a compose file says to Compose: another container, or
/// an edit of the file, has another one. Comments, the order of fields and our own section do not matter.
/// None where the text is no compose file.
#[must_use]
pub fn live_mark(engine_id: &str, text: &str) -> Option<String> {
    let mut tree: Value = serde_yaml::from_str(text).ok()?;
    tree.as_object_mut()?.remove("x-wharfinger");
    tree.sort_all_objects();
    let digest = Sha256::digest(format!("{engine_id}\n{tree}"));
    Some(STANDARD.encode(digest))
}

#[cfg(test)]
mod tests {
    use super::live_mark;

    #[test]
    fn the_mark_is_of_the_container_and_of_what_compose_reads() {
        let mark =
            live_mark("1", "name: a\nservices: {x: {init: true, user: b}}\nx-wharfinger: {boots: true}\n");
        let same = live_mark("1", "# by hand\nservices: {x: {user: 'b', init: true}}\nname: a\n");
        assert!(mark.is_some());
        assert_eq!(mark, same);
        assert_ne!(mark, live_mark("2", "name: a\nservices: {x: {init: true, user: b}}\n"));
        assert_ne!(mark, live_mark("1", "name: a\nservices: {x: {init: true, user: c}}\n"));
        assert_eq!(live_mark("1", "- a"), None);
    }
}
