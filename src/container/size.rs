//! Sizes as Compose writes them: `512m`, `1.5g`, or bytes.

/// The greatest size, in bytes: 8 PiB less a byte, the last whole number that JSON is sure to carry.
const MOST: f64 = 9_007_199_254_740_991.0;

/// The whole bytes of a size; none when it is no size, or more than 8 PiB.
#[must_use]
pub fn bytes(text: &str) -> Option<i64> {
    const K: f64 = 1024.0;
    const UNITS: [(&str, f64); 4] = [("k", K), ("m", K * K), ("g", K * K * K), ("t", K * K * K * K)];
    let lower = text.to_ascii_lowercase();
    let bare = lower.strip_suffix('b').unwrap_or(&lower);
    let unit = UNITS.iter().find(|(unit, _)| bare.ends_with(unit));
    let (digits, factor) =
        unit.map_or((bare, 1.0), |(unit, factor)| (&bare[..bare.len() - unit.len()], *factor));
    let is_plain = digits.bytes().all(|b| b.is_ascii_digit() || b == b'.') && digits.len() <= 20;
    if !is_plain || !digits.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let size = (digits.parse::<f64>().ok()? * factor).floor();
    // By way of text: there is no conversion that says when it does not fit.
    if size <= MOST { format!("{size:.0}").parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::bytes;

    #[test]
    fn a_size_is_what_compose_makes_of_it() {
        let sizes =
            [("64m", 64 << 20), ("1.5G", 3 << 29), ("0.5kb", 512), ("7", 7), ("1t", 1 << 40), ("1.9", 1)];
        for (text, expected) in sizes {
            assert_eq!(bytes(text), Some(expected), "{text}");
        }
        for text in ["", "b", "m", "-1", "1e3", ".5m", "1 m", "9000t", "nan"] {
            assert_eq!(bytes(text), None, "{text}");
        }
    }
}
