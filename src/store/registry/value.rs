//! A record's value as bytes: CBOR, which gives every number back as it was.
//!
//! *Invariant*: what was encoded can be decoded. A value that is nested too deeply for the decoder is refused while there is somebody
//! to tell, not when the broker starts.

use serde_json::{Map, Value};
use zeroize::Zeroizing;

use crate::store::StoreError;

/// How deeply a value may be nested: less than the decoder takes, and what JSON brings.
const DEPTH: usize = 128;

/// The bytes of a value.
///
/// # Errors
/// They could not be read again.
pub(super) fn encode(value: &Map<String, Value>) -> Result<Zeroizing<Vec<u8>>, StoreError> {
    if !value.values().all(|inner| is_flat(inner, DEPTH)) {
        return Err(StoreError::Refused(format!(
            "a record cannot be kept: its value is nested more than {DEPTH} deep; make it flatter"
        )));
    }
    let mut bytes = Zeroizing::new(Vec::new());
    ciborium::into_writer(value, &mut *bytes)
        .map_err(|error| StoreError::Failed(format!("a record could not be encoded: {error}")))?;
    Ok(bytes)
}

fn is_flat(value: &Value, depth: usize) -> bool {
    let Some(depth) = depth.checked_sub(1) else {
        return false;
    };
    match value {
        Value::Array(values) => values.iter().all(|inner| is_flat(inner, depth)),
        Value::Object(fields) => fields.values().all(|inner| is_flat(inner, depth)),
        _ => true,
    }
}

/// The value of these bytes, if they are one.
pub(super) fn decode(bytes: &[u8]) -> Option<Map<String, Value>> {
    ciborium::from_reader(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_kind_of_value_comes_back_as_it_was() {
        let value = json!({
            "": null, "a": true, "b": u64::MAX, "c": i64::MIN, "d": 0.1, "e": 2.0, "f": -0.0, "g": 1e-310,
            "h": "\u{0}ü\u{1F426}", "i": [[], {}, [1, "x", null]], "j": {"k": {"l": [false]}},
        });
        let Value::Object(value) = value else { panic!() };
        assert_eq!(decode(&encode(&value).unwrap()), Some(value));
    }

    #[test]
    fn a_value_that_could_not_be_read_again_is_refused() {
        let nested = |depth| {
            (1..depth).fold(Value::Null, |inner, n| match n % 2 {
                0 => Value::Array(vec![inner]),
                _ => json!({ "x": inner }),
            })
        };
        let value = |depth| Map::from_iter([("deep".to_owned(), nested(depth))]);
        let deepest = value(DEPTH);
        assert_eq!(decode(&encode(&deepest).unwrap()), Some(deepest));
        for depth in [DEPTH + 1, 2000] {
            let refused = encode(&value(depth)).unwrap_err();
            assert!(
                refused.to_string().contains("nested more than 128 deep"),
                "{refused}"
            );
        }
    }
}
