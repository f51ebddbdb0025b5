//! How far a transfer is: the newest state of each layer, however many look at it and however slowly.

use crate::engine::images::transfer::TransferRecord;

/// The most layers that are told; engines take images of 127.
const MOST_LAYERS: usize = 1000;
/// The most words of the engine that are about no layer.
const MOST_REMARKS: usize = 16;

/// The newest of one layer, or a word of the engine on the whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The layer, if it is about one.
    pub layer: Option<String>,
    /// The engine's word.
    pub status: String,
    /// How many bytes of the layer are through.
    pub current: Option<u64>,
    /// How many it has, when that is told.
    pub total: Option<u64>,
    /// How far all of it is.
    pub overall: Overall,
}

/// How far a transfer is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Overall {
    /// The bytes that are through.
    pub current: u64,
    /// The bytes of all layers whose size is known.
    pub total: u64,
    /// Never less than before; 100 when all is done, and not before.
    pub percent: u8,
}

/// All that is known of a transfer.
#[derive(Debug, Default)]
pub(super) struct Table {
    rows: Vec<Row>,
    /// How many changes there were.
    version: u64,
    percent: u8,
    has_begun: bool,
}

#[derive(Debug, Default)]
struct Row {
    layer: Option<String>,
    status: String,
    /// As the engine told last.
    told: (Option<u64>, Option<u64>),
    /// The most that was through: a download that begins anew takes nothing back.
    moved: u64,
    size: Option<u64>,
    is_done: bool,
    changed_at: u64,
}

impl Table {
    /// Takes in what the engine tells.
    pub(super) fn note(&mut self, record: TransferRecord) {
        let Some(status) = record.status else { return };
        // There the id is a tag.
        let layer = record.id.filter(|_| !status.starts_with("Pulling from "));
        self.has_begun |= !is_preparation(&status);
        let amount = record.progress.unwrap_or_default();
        let bytes = |number: Option<i64>| number.and_then(|number| u64::try_from(number).ok());
        let total = bytes(amount.total).filter(|total| *total > 0);
        self.version += 1;
        let version = self.version;
        let Some(row) = self.row(layer) else { return };
        row.told = (bytes(amount.current).filter(|_| amount.current > Some(0) || total.is_some()), total);
        row.advance(&status);
        row.status = status;
        row.changed_at = version;
        self.percent = self.percent.max(self.portion().min(99));
    }

    /// All is done.
    pub(super) fn complete(&mut self, remark: &str) {
        self.has_begun = true;
        self.version += 1;
        let version = self.version;
        if let Some(row) = self.row(None) {
            remark.clone_into(&mut row.status);
            row.changed_at = version;
        }
        self.percent = 100;
    }

    /// Whether the engine has more to tell than what it is about to do: until then it may still refuse.
    pub(super) const fn has_begun(&self) -> bool {
        self.has_begun
    }

    /// Whether all that it can do is to wait for other transfers: an engine moves a few layers at a time.
    pub(super) fn waits_its_turn(&self) -> bool {
        let is_at_rest = |row: &Row| row.is_done || is_after_download(&row.status) || row.status == "Waiting";
        self.layers().any(|row| row.status == "Waiting") && self.layers().all(is_at_rest)
    }

    /// What has changed since a version, the oldest change first; and the version that this is.
    pub(super) fn since(&self, version: u64) -> (Vec<Progress>, u64) {
        let mut changed: Vec<&Row> = self.rows.iter().filter(|row| row.changed_at > version).collect();
        changed.sort_by_key(|row| row.changed_at);
        let overall = self.overall();
        let progress = |row: &Row| Progress {
            layer: row.layer.clone(),
            status: row.status.clone(),
            current: row.told.0,
            total: row.told.1,
            overall,
        };
        (changed.into_iter().map(progress).collect(), self.version)
    }

    /// The row of a layer, or a new one for a word on the whole; nothing where there are too many.
    fn row(&mut self, layer: Option<String>) -> Option<&mut Row> {
        if let Some(at) = self.rows.iter().position(|row| layer.is_some() && row.layer == layer) {
            return self.rows.get_mut(at);
        }
        let is_remark = layer.is_none();
        let alike = self.rows.iter().filter(|row| row.layer.is_none() == is_remark).count();
        if is_remark && alike >= MOST_REMARKS {
            let oldest = self.rows.iter().position(|row| row.layer.is_none())?;
            self.rows.remove(oldest);
        } else if !is_remark && alike >= MOST_LAYERS {
            return None;
        }
        self.rows.push(Row { layer, ..Row::default() });
        self.rows.last_mut()
    }

    fn layers(&self) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(|row| row.layer.is_some())
    }

    fn overall(&self) -> Overall {
        Overall {
            current: self.layers().map(|row| row.moved).sum(),
            total: self.layers().map(Row::known_size).sum(),
            percent: self.percent,
        }
    }

    /// How much is through, in percent. A layer whose size is not known (one that is here already, one that
    /// waits) counts as one of the mean size. Nothing is through before the first size is known: until then the
    /// engine still names the layers, those first that it has.
    fn portion(&self) -> u8 {
        let known = self.layers().filter(|row| row.size.is_some()).count() as u64;
        let bytes: u64 = self.layers().map(Row::known_size).sum();
        let Some(mean) = bytes.checked_div(known).map(|mean| mean.max(1)) else { return 0 };
        let (mut moved, mut all) = (0_u128, 0_u128);
        for row in self.layers() {
            let size = row.size.map_or_else(|| mean.max(row.moved), |_| row.known_size());
            all += u128::from(size);
            moved += u128::from(if row.is_done { size } else { row.moved });
        }
        let percent = (moved * 100).checked_div(all).unwrap_or_default();
        u8::try_from(percent).unwrap_or(100)
    }
}

impl Row {
    fn known_size(&self) -> u64 {
        self.size.unwrap_or_default().max(self.moved)
    }

    fn advance(&mut self, status: &str) {
        let (current, total) = self.told;
        // A push counts the archive's own bytes, which are more than the layer's.
        self.size = self.size.max(total);
        self.is_done |= is_end(status);
        let is_through = self.is_done || is_after_download(status);
        let moved = if is_through { self.size.unwrap_or_default() } else { current.unwrap_or_default() };
        let most = self.size.unwrap_or(u64::MAX);
        self.moved = self.moved.max(moved.min(most));
    }
}

/// Whether a layer needs nothing more.
fn is_end(status: &str) -> bool {
    matches!(status, "Pull complete" | "Already exists" | "Pushed" | "Layer already exists")
        || status.starts_with("Mounted from ")
}

/// Whether all bytes of a layer are here.
fn is_after_download(status: &str) -> bool {
    matches!(status, "Verifying Checksum" | "Download complete" | "Extracting")
}

/// Whether the engine tells only what it is about to do.
fn is_preparation(status: &str) -> bool {
    matches!(status, "Preparing" | "Waiting") || status.starts_with("The push refers to ")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::engine::images::transfer::Amount;

    fn told(id: &str, status: &str, amount: Option<(i64, i64)>) -> TransferRecord {
        TransferRecord {
            id: (!id.is_empty()).then(|| id.to_owned()),
            status: Some(status.to_owned()),
            progress: amount.map(|(current, total)| Amount { current: Some(current), total: Some(total) }),
            ..TransferRecord::default()
        }
    }

    #[test]
    fn layers_that_only_wait_for_others_are_no_stall() {
        let mut table = Table::default();
        table.note(told("a", "Pulling fs layer", None));
        table.note(told("b", "Waiting", None));
        assert!(!table.waits_its_turn(), "the first layer has its turn");
        table.note(told("a", "Downloading", Some((1, 2))));
        assert!(!table.waits_its_turn());
        table.note(told("a", "Download complete", None));
        assert!(table.waits_its_turn());
        table.note(told("b", "Downloading", Some((1, 2))));
        assert!(!table.waits_its_turn());
    }

    #[test]
    fn bytes_are_summed_and_what_is_here_counts_as_done() {
        let mut table = Table::default();
        table.note(told("latest", "Pulling from library/a", None));
        for id in ["a", "b", "c", "d"] {
            table.note(told(id, "Pulling fs layer", None));
        }
        table.note(told("a", "Already exists", None));
        assert_eq!(table.overall(), Overall::default(), "there may be more layers");
        table.note(told("b", "Downloading", Some((50, 100))));
        assert_eq!(table.overall(), Overall { current: 50, total: 100, percent: 37 });
        table.note(told("b", "Retrying in 5 seconds", None));
        table.note(told("b", "Downloading", Some((10, 100))));
        assert_eq!(table.overall().current, 50, "what begins anew takes nothing back");
        table.note(told("b", "Download complete", None));
        table.note(told("c", "Downloading", Some((100, 300))));
        assert_eq!(table.overall(), Overall { current: 200, total: 400, percent: 50 });
        for id in ["b", "c", "d"] {
            table.note(told(id, "Pull complete", None));
        }
        assert_eq!(table.overall(), Overall { current: 400, total: 400, percent: 99 });
        table.complete("Image pulled");
        assert_eq!(table.overall().percent, 100);
    }

    #[test]
    fn who_looks_gets_the_newest_of_what_has_changed_and_whoever_comes_late_all_of_it() {
        let mut table = Table::default();
        table.note(told("1", "Pulling from a", None));
        table.note(told("x", "Waiting", None));
        table.note(told("y", "Downloading", Some((1, 9))));
        let (_, seen) = table.since(0);
        for current in 2..9 {
            table.note(told("y", "Downloading", Some((current, 9))));
        }
        let (changed, now) = table.since(seen);
        assert_eq!((changed.len(), changed[0].layer.as_deref()), (1, Some("y")));
        assert_eq!((changed[0].current, changed[0].total), (Some(8), Some(9)));
        assert!(table.since(now).0.is_empty());
        let (all, _) = table.since(0);
        let layers: Vec<_> = all.iter().map(|one| one.layer.as_deref()).collect();
        assert_eq!(layers, [None, Some("x"), Some("y")]);
    }

    #[test]
    fn a_push_that_only_prepares_has_not_begun_and_pushes_more_bytes_than_there_are() {
        let mut table = Table::default();
        table.note(told("", "The push refers to repository [a]", None));
        table.note(told("x", "Preparing", None));
        assert!(!table.has_begun());
        table.note(told("x", "Pushing", Some((150, 100))));
        assert!(table.has_begun());
        assert_eq!(table.overall(), Overall { current: 100, total: 100, percent: 99 });
    }

    #[test]
    fn a_registry_cannot_make_the_table_grow_for_ever() {
        let mut table = Table::default();
        for number in 0..5000 {
            table.note(told(&number.to_string(), "Waiting", None));
            table.note(told("", &format!("Status {number}"), None));
        }
        assert_eq!(table.rows.len(), MOST_LAYERS + MOST_REMARKS);
        assert!(table.rows.iter().any(|row| row.status == "Status 4999"), "the newest word stays");
    }

    proptest! {
        #[test]
        fn percent_never_goes_back_nor_reaches_a_hundred_before_the_end(
            records in proptest::collection::vec((0..5_u8, 0..7_usize, -1..90_i64, -1..90_i64), 0..60)
        ) {
            const STATUSES: [&str; 7] = [
                "Waiting", "Downloading", "Downloading", "Extracting", "Pull complete", "Already exists",
                "Retrying in 1 second",
            ];
            let mut table = Table::default();
            let mut before = Overall::default();
            for (id, status, current, total) in records {
                table.note(told(&id.to_string(), STATUSES[status], Some((current, total))));
                let now = table.overall();
                prop_assert!(now.percent >= before.percent && now.percent < 100);
                prop_assert!(now.current >= before.current && now.total >= before.total);
                prop_assert!(now.current <= now.total);
                before = now;
            }
        }
    }
}
