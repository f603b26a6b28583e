//! Who can write to the file, and has not the key.

use super::super::database::{ABOUT, RECORDS, SUM_KEY};
use super::*;

type Row = (u64, Vec<u8>);
type Harm<'a> = &'a dyn Fn(&Forger);

/// What somebody does to the file who has not the key.
struct Forger(redb::Database);

impl Forger {
    fn new(file: &Path) -> Self {
        Self(redb::Database::open(file).unwrap())
    }

    fn row(&self, name: &str) -> Row {
        let transaction = self.0.begin_write().unwrap();
        let table = transaction.open_table(RECORDS).unwrap();
        let row = redb::ReadableTable::get(&table, ("i", "group", name))
            .unwrap()
            .unwrap();
        let (revision, sealed) = row.value();
        (revision, sealed.to_vec())
    }

    fn put(&self, name: &str, row: Option<&Row>) {
        let transaction = self.0.begin_write().unwrap();
        let mut table = transaction.open_table(RECORDS).unwrap();
        match row {
            Some((revision, sealed)) => drop(
                table
                    .insert(("i", "group", name), (*revision, &**sealed))
                    .unwrap(),
            ),
            None => drop(table.remove(("i", "group", name)).unwrap()),
        }
        drop(table);
        transaction.commit().unwrap();
    }

    fn sum(&self, put: Option<&[u8]>) -> Vec<u8> {
        let transaction = self.0.begin_write().unwrap();
        let mut table = transaction.open_table(ABOUT).unwrap();
        let was = redb::ReadableTable::get(&table, SUM_KEY)
            .unwrap()
            .unwrap()
            .value()
            .to_vec();
        if let Some(sum) = put {
            table.insert(SUM_KEY, sum).unwrap();
        }
        drop(table);
        transaction.commit().unwrap();
        was
    }
}

#[tokio::test]
async fn records_cannot_be_swapped_rolled_back_or_taken_away() {
    let Harmed { folder, file, .. } = at_rest().await;
    let registry = open(folder.path());
    // What the file was before this change; then the record is removed and made again, with the same revision.
    drop(registry);
    let (old_a, old_sum) = {
        let forger = Forger::new(&file);
        (forger.row("a"), forger.sum(None))
    };
    let registry = open(folder.path());
    registry.remove(key("a")).await.unwrap();
    registry
        .put(key("a"), value("new"), Expect::Nothing)
        .await
        .unwrap();
    registry
        .put(key("b"), value("new"), Expect::Something)
        .await
        .unwrap();
    let now = all(&registry);
    drop(registry);

    let forger = Forger::new(&file);
    let (a, b, c, sum) = (
        forger.row("a"),
        forger.row("b"),
        forger.row("c"),
        forger.sum(None),
    );
    assert_eq!((old_a.0, a.0, b.0), (1, 1, 2));
    drop(forger);
    let later = (b.0 + 1, b.1.clone());
    let older_sum = |forger: &Forger| drop(forger.sum(Some(&old_sum)));
    let tries: [(&str, Harm<'_>); 8] = [
        ("swapped", &|forger| {
            forger.put("a", Some(&c));
            forger.put("c", Some(&a));
        }),
        ("copied", &|forger| forger.put("d", Some(&c))),
        ("another revision", &|forger| forger.put("b", Some(&later))),
        ("rolled back", &|forger| forger.put("a", Some(&old_a))),
        ("rolled back with the sum", &|forger| {
            forger.put("a", Some(&old_a));
            older_sum(forger);
        }),
        ("the sum alone", &older_sum),
        ("taken away", &|forger| forger.put("b", None)),
        ("no sum", &|forger| drop(forger.sum(Some(&[])))),
    ];
    for (what, harm) in tries {
        harm(&Forger::new(&file));
        let said = refusal(folder.path());
        assert!(
            said.contains("is damaged") && said.contains(&shown(&file)),
            "{what}: {said}"
        );
        let forger = Forger::new(&file);
        for (name, row) in [("a", Some(&a)), ("b", Some(&b)), ("c", Some(&c)), ("d", None)] {
            forger.put(name, row);
        }
        forger.sum(Some(&sum));
        drop(forger);
        assert_eq!(all(&open(folder.path())), now, "{what}");
    }
}
