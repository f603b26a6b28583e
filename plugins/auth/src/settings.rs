//! The entry's `settings`, and what is said of wrong ones.

use serde_json::{Map, Value};

/// The instance, and the access keys with their secrets.
///
/// # Errors
/// What is missing or wrong, and what to write.
pub(crate) fn read(settings: &Value) -> Result<(String, Vec<(String, String)>), String> {
    let Some(instance) = settings.get("instance").and_then(Value::as_str) else {
        return Err(missing("instance", "\"mqtt-demo\""));
    };
    let keys = settings.get("keys").and_then(Value::as_object);
    let Some(keys) = keys.filter(|keys| !keys.is_empty()) else {
        return Err(missing("keys", "{ demo = \"demo-secret\" }"));
    };
    Ok((instance.to_owned(), secrets(keys)?))
}

fn missing(name: &str, example: &str) -> String {
    format!("the setting `{name}` is missing; write for instance `settings.{name} = {example}`")
}

fn secrets(keys: &Map<String, Value>) -> Result<Vec<(String, String)>, String> {
    let secret = |(id, secret): (&String, &Value)| match secret.as_str() {
        None | Some("") => Err(format!("the secret of the access key \"{id}\" is not a text")),
        Some(_) if id.contains('|') => Err(format!(
            "the access key id \"{id}\" contains a |, which separates the parts of a user name"
        )),
        Some(secret) => Ok((id.clone(), secret.to_owned())),
    };
    keys.iter().map(secret).collect()
}
