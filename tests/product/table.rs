//! docs/limits.md: every row of its table has a test that drives a client over the limit.

use std::collections::BTreeSet;
use std::path::Path;

/// Every test of this program, by module and name, as it stands in its files.
fn tests() -> BTreeSet<String> {
    let folder = crate::support::broker::root().join("tests/product");
    let mut found = BTreeSet::new();
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let module = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let text = std::fs::read_to_string(&path).unwrap();
        let mut lines = text.lines();
        while let Some(line) = lines.next() {
            if line == "#[test]"
                && let Some(name) = lines.next().and_then(|next| next.strip_prefix("fn "))
            {
                let name = name.split('(').next().unwrap();
                found.insert(format!("{module}::{name}"));
            }
        }
    }
    found
}

/// The cells of every row below a header whose last column is `test`.
fn rows(path: &Path) -> Vec<Vec<String>> {
    let text = std::fs::read_to_string(path).unwrap();
    let mut rows = Vec::new();
    let mut columns = None;
    for line in text.lines() {
        let cells: Vec<String> = line
            .trim()
            .trim_matches('|')
            .split(" | ")
            .map(|cell| cell.trim().to_owned())
            .collect();
        if !line.starts_with('|') {
            columns = None;
        } else if cells.iter().any(|cell| cell == "test") {
            columns = Some(cells.len());
        } else if let Some(columns) = columns
            && !line.starts_with("| ---")
        {
            assert_eq!(cells.len(), columns, "{line}");
            rows.push(cells);
        }
    }
    rows
}

#[test]
fn every_row_has_a_test() {
    let rows = rows(&crate::support::broker::root().join("docs/limits.md"));
    assert!(rows.len() >= 25, "{} rows", rows.len());
    let tests = tests();
    for row in rows {
        let named = row.iter().rev().nth(1).unwrap();
        let test = named.trim_matches('`');
        assert!(tests.contains(test), "{}: there is no test {test:?}", row[0]);
        assert!(row.iter().all(|cell| !cell.is_empty()), "{row:?}");
    }
}
