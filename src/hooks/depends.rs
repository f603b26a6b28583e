//! Records that a login rests on: when one of them appears, changes or goes, the login is looked at again.

use std::sync::Arc;

/// How many records a login may rest on: each change of a record is compared with all of them.
const MOST: usize = 64;
/// The longest of them, in bytes: the registry has none whose kind or name is longer than half of it.
const LENGTH: usize = 1025;

/// Records of the client's own instance, as `kind/name`. Most logins rest on none, which takes one word.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Depends(Option<Arc<Vec<Box<str>>>>);

impl Depends {
    /// These records.
    ///
    /// # Errors
    /// What is wrong with them, in words.
    pub fn on<T: AsRef<str>>(records: impl IntoIterator<Item = T>) -> Result<Self, String> {
        let mut read: Vec<Box<str>> = Vec::new();
        for record in records {
            let record = record.as_ref();
            if read.len() >= MOST {
                return Err(format!("`depends` has more than {MOST} records"));
            }
            let names_one = record
                .split_once('/')
                .is_some_and(|(kind, name)| !kind.is_empty() && !name.is_empty());
            if !names_one || record.len() > LENGTH {
                let shown: String = record.chars().take(80).collect();
                return Err(format!(
                    "`depends` names records as \"kind/name\", such as \"group/GID_a\"; it holds {shown:?}"
                ));
            }
            read.push(record.into());
        }
        Ok(Self((!read.is_empty()).then(|| Arc::new(read))))
    }

    /// These, and others that were not named by a policy.
    #[must_use]
    pub fn and(&self, more: impl IntoIterator<Item = String>) -> Self {
        let mut all: Vec<Box<str>> = self.records().map(Box::from).collect();
        all.extend(more.into_iter().map(Box::from));
        Self((!all.is_empty()).then(|| Arc::new(all)))
    }

    /// There are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Each of them.
    pub fn records(&self) -> impl Iterator<Item = &str> {
        self.0
            .iter()
            .flat_map(|records| records.iter())
            .map(|record| &**record)
    }

    /// Whether that record is one of them. What stands before the first `/` is the kind.
    #[must_use]
    pub fn has(&self, kind: &str, name: &str) -> bool {
        let Some(records) = &self.0 else { return false };
        records
            .iter()
            .any(|record| record.split_once('/') == Some((kind, name)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_known_by_kind_and_name() {
        let depends = Depends::on(["group/GID_a", "key/a/b"]).unwrap();
        assert!(depends.has("group", "GID_a") && depends.has("key", "a/b"));
        assert!(!depends.has("group", "GID_b") && !depends.has("key/a", "b") && !depends.is_empty());
        let none = Depends::on::<&str>([]).unwrap();
        assert!(none.is_empty() && none == Depends::default() && !none.has("group", "GID_a"));
        let more = depends.and(["x/y".to_owned()]);
        assert!(more.has("group", "GID_a") && more.has("x", "y") && !depends.has("x", "y"));
        assert_eq!(none.and([]), none);
    }

    #[test]
    fn what_names_no_record_is_refused() {
        for bad in ["", "group", "/a", "group/", &"x/".repeat(600)] {
            let why = Depends::on([bad]).unwrap_err();
            assert!(
                why.starts_with("`depends` names records as \"kind/name\""),
                "{why}"
            );
        }
        let why = Depends::on(vec!["a/b"; 65]).unwrap_err();
        assert_eq!(why, "`depends` has more than 64 records");
    }
}
