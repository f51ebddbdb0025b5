//! What may leave the daemon of what Compose and the engine said: no host paths, no values of `env`.

use crate::container::Spec;

/// The most characters of an output that a client is shown: its end.
const SHOWN: usize = 2000;
/// Values shorter than this are left: they tell nothing, and taking them out would garble every text.
const LEAST_SECRET: usize = 3;

/// Takes host paths and values of `env` out of texts.
#[derive(Clone, Debug, Default)]
pub struct Redactor {
    paths: Vec<String>,
}

impl Redactor {
    /// A redactor that knows these host paths.
    #[must_use]
    pub fn new(mut paths: Vec<String>) -> Self {
        paths.retain(|path| path.len() > 1);
        paths.sort_by_key(|path| std::cmp::Reverse(path.len()));
        Self { paths }
    }

    /// The end of `text`, fit to be shown.
    #[must_use]
    pub fn clean(&self, text: &str, spec: Option<&Spec>) -> String {
        let values = spec.into_iter().flat_map(|spec| spec.env.values());
        end_of(&self.hide(text, values.filter(|value| value.len() >= LEAST_SECRET)))
    }

    /// All of `text`, without host paths and these secrets.
    #[must_use]
    pub fn hide<'a>(&self, text: &str, secrets: impl Iterator<Item = &'a String>) -> String {
        let mut text = text.to_owned();
        let mut secrets: Vec<&String> = secrets.collect();
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        for secret in secrets {
            text = text.replace(secret, "***");
            // As it stands in the compose file.
            text = text.replace(&secret.replace('$', "$$"), "***");
            // As Go and JSON print it between quotes.
            let escaped = format!("{secret:?}");
            text = text.replace(&escaped[1..escaped.len() - 1], "***");
        }
        for path in &self.paths {
            text = text.replace(path, "…");
        }
        text
    }
}

/// As much of the end of a text as a client is shown.
#[must_use]
pub fn end_of(text: &str) -> String {
    let skipped = text.chars().count().saturating_sub(SHOWN);
    text.chars().skip(skipped).collect()
}

#[cfg(test)]
mod tests {
    use super::{Redactor, Spec};

    #[test]
    fn paths_and_values_are_taken_out() {
        let redactor = Redactor::new(vec!["/srv/data".to_owned()]);
        let mut spec = Spec::of_image("a".to_owned());
        spec.env.insert("KEY".to_owned(), "hunter22".to_owned());
        let text = redactor.clean("open /srv/data/compose/x: KEY=hunter22", Some(&spec));
        assert_eq!(text, "open …/compose/x: KEY=***");
        spec.env.insert("KEY".to_owned(), "pa$word".to_owned());
        assert_eq!(redactor.clean("template: \"pa$$word\", pa$word", Some(&spec)), "template: \"***\", ***");
    }
}
