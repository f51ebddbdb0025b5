//! What the fuzz targets reach of the use cases: `cfg(fuzzing)` alone has it.

use super::cursor;
use crate::container::Cuid;

/// Reads a cursor; one that is taken is the one that its place is written as.
pub fn cursor(text: &str) {
    if let Ok(place) = cursor::read::<Cuid>(text) {
        let again = cursor::read::<Cuid>(&cursor::write(place));
        assert!(again.is_ok_and(|again| again == place), "{text:?} is {place:?}");
    }
}
