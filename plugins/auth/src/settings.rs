//! The entry's `settings`, and what is said of wrong ones.

use crate::certificate::{Certificates, CommonName};
use crate::username::Mode;
use serde_json::{Map, Value};

/// How long, in seconds, a new permission may take until it is in force, if nothing is said.
const REFRESH: f64 = 10.0;

/// What the settings say.
pub(crate) struct Settings {
    /// Which credentials are ours.
    pub(crate) modes: Vec<Mode>,
    /// The instance that `keys` are of.
    pub(crate) instance: Option<String>,
    /// Access keys beside those of the registry: ids and secrets.
    pub(crate) keys: Vec<(String, String)>,
    /// After so many seconds permissions are looked at again.
    pub(crate) refresh: f64,
    /// What certificates have to be, if they are looked at.
    pub(crate) certificates: Option<Certificates>,
}

/// Reads them.
///
/// # Errors
/// What is missing or wrong, and what to write.
pub(crate) fn read(settings: &Value) -> Result<Settings, String> {
    let modes = modes(settings.get("modes"))?;
    let instance = settings.get("instance").and_then(Value::as_str);
    let keys = settings.get("keys");
    // A user name that cannot be let in by any of them is a mistake, but only where signatures are looked at.
    let strict = modes.contains(&Mode::Signature);
    let keys = match keys.and_then(Value::as_object) {
        _ if keys.and_then(Value::as_str) == Some("registry") => Vec::new(),
        _ if strict && instance.is_none() => return Err(missing("instance", "\"mqtt-demo\"")),
        Some(keys) if !keys.is_empty() || !strict => secrets(keys)?,
        _ if strict => return Err(missing("keys", "{ demo = \"demo-secret\" }")),
        _ => Vec::new(),
    };
    Ok(Settings {
        modes,
        instance: instance.map(str::to_owned),
        keys,
        refresh: refresh(settings.get("refresh"))?,
        certificates: settings.get("certificates").map(certificates).transpose()?,
    })
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

fn modes(setting: Option<&Value>) -> Result<Vec<Mode>, String> {
    let wrong = || {
        let all = Mode::ALL.map(Mode::word).join(", ");
        format!("the setting `modes` is a list of {all}; write for instance `settings.modes = [\"Token\"]`")
    };
    let Some(setting) = setting else {
        return Ok(Mode::ALL.to_vec());
    };
    let named = |word: &Value| {
        Mode::ALL
            .into_iter()
            .find(|mode| word.as_str() == Some(mode.word()))
    };
    let list = setting.as_array().filter(|list| !list.is_empty());
    let modes: Option<Vec<Mode>> = list.and_then(|list| list.iter().map(named).collect());
    modes.ok_or_else(wrong)
}

fn certificates(setting: &Value) -> Result<Certificates, String> {
    let wrong = || {
        "the setting `certificates` is a table; write for instance `settings.certificates = { username_required = true }`"
            .to_owned()
    };
    let fields = setting.as_object().ok_or_else(wrong)?;
    let known = |name: &String| name == "username_required" || name == "cn";
    if let Some(other) = fields.keys().find(|name| !known(name)) {
        return Err(format!(
            "the setting `certificates` has no `{other}`; it has `username_required` and `cn`"
        ));
    }
    let username_required = match fields.get("username_required") {
        None => true,
        Some(setting) => setting
            .as_bool()
            .ok_or_else(|| "the setting `username_required` is true or false".to_owned())?,
    };
    let cn = match fields.get("cn").map(Value::as_str) {
        None => None,
        Some(Some("client_id")) => Some(CommonName::ClientId),
        Some(Some("device_id")) => Some(CommonName::DeviceId),
        Some(_) => {
            let what = "the setting `cn` is \"client_id\" or \"device_id\"; leave it out for certificates of any name";
            return Err(what.to_owned());
        }
    };
    Ok(Certificates {
        username_required,
        cn,
    })
}

fn refresh(setting: Option<&Value>) -> Result<f64, String> {
    let seconds = setting.map_or(Some(REFRESH), Value::as_f64);
    seconds.filter(|seconds| *seconds >= 1.0).ok_or_else(|| {
        "the setting `refresh` is a number of seconds, 1 or more; write for instance `settings.refresh = 10`".to_owned()
    })
}
