//! The volumes that go with a container: no file names them, the engine does.

use serde_json::{Value, json};

use super::{ByHand, Definition};

/// A volume that no one named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnVolume {
    /// Where the container has it.
    pub target: String,
    /// The engine's name of it.
    pub name: String,
}

impl Definition {
    /// The same container with these very volumes, by their names, where it would get new ones. The file of it is
    /// for a way back alone.
    #[must_use]
    pub fn with_volumes(&self, volumes: &[OwnVolume]) -> Self {
        let mut definition = self.clone();
        if volumes.is_empty() {
            return definition;
        }
        let is_meant = |target: &Value| volumes.iter().any(|volume| *target == volume.target);
        let mut mounts = definition.spec.options.items("mounts").to_vec();
        mounts.retain(|mount| !is_meant(&mount["target"]));
        mounts.extend(
            volumes.iter().map(
                |OwnVolume { target, name }| json!({"type": "volume", "source": name, "target": target}),
            ),
        );
        definition.spec.options.set("mounts", mounts.into());
        definition.by_hand.leave_out(is_meant);
        definition
    }
}

impl ByHand {
    /// Leaves out the volumes without a name at some targets.
    fn leave_out(&mut self, is_meant: impl Fn(&Value) -> bool) {
        let Some(volumes) = self.service.get_mut("volumes").and_then(Value::as_array_mut) else { return };
        volumes.retain(|volume| !is_meant(volume) && !is_meant(&volume["target"]));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::Spec;

    #[test]
    fn volumes_without_a_name_get_it_wherever_they_stand() {
        let mut definition = Definition::new(Spec::of_image("a".to_owned()), String::new());
        let mounts = json!([{"type": "volume", "target": "/own"}, {"type": "tmpfs", "target": "/t"}]);
        definition.spec.options.set("mounts", mounts);
        let by_hand = json!(["/short", {"type": "volume", "target": "/long"}, "/host:/there"]);
        definition.by_hand.service.insert("volumes".to_owned(), by_hand);
        let volumes = ["/own", "/short", "/long", "/of-the-image"]
            .map(|target| OwnVolume { target: target.to_owned(), name: format!("n{}", target.len()) });
        let pinned = definition.with_volumes(&volumes);
        assert_eq!(pinned.by_hand.service["volumes"], json!(["/host:/there"]));
        let mounts = pinned.spec.options.items("mounts");
        assert_eq!(mounts.len(), 5);
        for OwnVolume { target, name } in &volumes {
            assert!(
                mounts.contains(&json!({"type": "volume", "source": name, "target": target})),
                "{target}"
            );
        }
    }
}
