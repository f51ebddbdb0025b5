//! Rows in columns for people.

/// The rows, each column as wide as its widest text.
pub(super) fn render<const COLUMNS: usize>(heads: [&str; COLUMNS], rows: &[[String; COLUMNS]]) -> String {
    let heads = heads.map(str::to_owned);
    let all = || std::iter::once(&heads).chain(rows);
    let width = |column: usize| all().map(|row| row[column].chars().count()).max().unwrap_or_default();
    let widths: [usize; COLUMNS] = std::array::from_fn(width);
    let line = |row: &[String; COLUMNS]| {
        let cells = row.iter().zip(widths).map(|(text, width)| format!("{text:width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    all().map(line).collect::<Vec<_>>().join("\n")
}

/// Words with commas between them; `-` for none.
pub(super) fn words<T: AsRef<str>>(words: &[T]) -> String {
    if words.is_empty() {
        return "-".to_owned();
    }
    words.iter().map(AsRef::as_ref).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    #[test]
    fn columns_stand_below_one_another() {
        let rows = [["ä".to_owned(), String::new()], ["long".to_owned(), super::words(&["x", "y"])]];
        assert_eq!(super::render(["A", "B"], &rows), "A     B\nä\nlong  x,y");
        assert_eq!(super::words::<&str>(&[]), "-");
    }
}
