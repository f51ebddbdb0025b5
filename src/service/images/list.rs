//! The list of images.

use std::collections::HashMap;

use super::hidden::hide_container;
use super::{ImageFilter, ListedImage};
use crate::access::Principal;
use crate::container::image::Reference;
use crate::engine::images::list::ImageUse;
use crate::service::{Result, Service};

/// An image, and how many containers are made of it.
#[derive(Clone, Debug)]
pub struct Listed {
    /// The image.
    pub image: ListedImage,
    /// How many containers of the engine are made of it, whoever made them and whether they run or not; to a
    /// limited caller those that it knows of.
    pub containers: usize,
}

impl Service {
    /// The images of the engine, the newest first.
    pub async fn images(&self, principal: &Principal, mut filter: ImageFilter) -> Result<Vec<Listed>> {
        self.engine_must_answer()?;
        filter.reference = filter.reference.as_deref().map(familiar);
        let socket = self.parts.engine.socket();
        let (images, uses) = tokio::try_join!(socket.images(&filter), socket.image_uses())?;
        let mut counts: HashMap<&str, usize> = HashMap::new();
        let sees = |cuid| self.catalog.get(cuid).is_some_and(|known| Self::sees(principal, &known));
        let counts_for = |used: &&ImageUse| !principal.is_limited() || used.cuid.is_some_and(sees);
        for used in uses.iter().filter(counts_for) {
            *counts.entry(used.image.as_str()).or_default() += 1;
        }
        let count = |mut image: ListedImage| {
            hide_container(principal, image.labels.as_mut());
            let containers = counts.get(image.id.as_str()).copied().unwrap_or(0);
            Listed { image, containers }
        };
        let mut listed: Vec<Listed> = images.into_iter().map(count).collect();
        listed.sort_by(|one, other| {
            (other.image.created, &one.image.id).cmp(&(one.image.created, &other.image.id))
        });
        Ok(listed)
    }
}

/// The pattern as the engine compares it: with names as people write them.
fn familiar(pattern: &str) -> String {
    let names_one =
        pattern.contains('@') || pattern.rsplit('/').next().is_some_and(|last| last.contains(':'));
    match Reference::parse(pattern) {
        Ok(reference) if names_one => reference.to_string(),
        Ok(reference) => reference.name(),
        Err(_) => pattern.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::familiar;

    #[test]
    fn a_name_that_is_written_out_is_compared_as_people_write_it() {
        for (pattern, compared) in [
            ("nginx", "nginx"),
            ("docker.io/library/nginx", "nginx"),
            ("docker.io/library/nginx:1", "nginx:1"),
            ("h:5000/a", "h:5000/a"),
            ("h:5000/a:1", "h:5000/a:1"),
            ("ng*:1?", "ng*:1?"),
        ] {
            assert_eq!(familiar(pattern), compared);
        }
    }
}
