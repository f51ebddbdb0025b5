//! How much a removal has freed: the engine names the layers that went, and not their sizes.

use std::fmt::Write;

use sha2::{Digest, Sha256};

/// What is known of an image's layers before it goes.
#[derive(Clone, Debug, Default)]
pub(super) struct LayerSizes {
    /// The digests of their contents, the lowest first.
    pub layers: Vec<String>,
    /// The sizes of those that hold something, the lowest first.
    pub sizes: Vec<u64>,
}

/// The bytes of the layers that a removal names. Layers go from the top, as far down as no other image has them;
/// where some layers hold nothing, the top ones are taken for those.
pub(super) fn reclaimed(image: &LayerSizes, deleted: &[String]) -> u64 {
    let chains = chains(&image.layers);
    let left = chains.iter().filter(|chain| !deleted.contains(chain)).count();
    image.sizes.iter().skip(left).sum()
}

/// The ids of layers as the engine knows them: each stands for itself and all beneath it.
fn chains(layers: &[String]) -> Vec<String> {
    let mut chains: Vec<String> = Vec::with_capacity(layers.len());
    for layer in layers {
        let chain = match chains.last() {
            None => layer.clone(),
            Some(beneath) => digest(&format!("{beneath} {layer}")),
        };
        chains.push(chain);
    }
    chains
}

fn digest(text: &str) -> String {
    let mut shown = String::from("sha256:");
    for byte in Sha256::digest(text) {
        // Writing to a string does not fail.
        let _ = write!(shown, "{byte:02x}");
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_freed_are_the_layers_that_no_other_image_has() {
        let image = LayerSizes {
            layers: ["sha256:a", "sha256:b", "sha256:c"].map(str::to_owned).to_vec(),
            sizes: vec![100, 20, 3],
        };
        let chains = chains(&image.layers);
        assert_eq!(chains[0], "sha256:a");
        // echo -n "sha256:a sha256:b" | sha256sum
        assert_eq!(chains[1], digest("sha256:a sha256:b"));
        assert_eq!(digest(""), "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        assert_eq!(reclaimed(&image, &chains), 123);
        assert_eq!(reclaimed(&image, &chains[1..]), 23);
        assert_eq!(reclaimed(&image, &chains[2..]), 3);
        assert_eq!(reclaimed(&image, &["sha256:image".to_owned()]), 0);
    }
}
