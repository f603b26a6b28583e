//! A registry that a test fills by hand.

use crate::hooks::host::Host;
use crate::hooks::lua::convert::Converter;
use crate::store::registry::{Change, Keeper, Record, RecordKey, Registry};
use crate::store::{Revision, StoreError};
use mlua::{Function, Lua, Value};
use serde_json::Value as Json;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a test has put there.
struct Given(Vec<(RecordKey, Record)>);

impl Keeper for Given {
    fn load(&self) -> Result<Vec<(RecordKey, Record)>, StoreError> {
        Ok(self.0.clone())
    }

    fn keep(&self, _changes: &[Change]) -> Result<(), StoreError> {
        Ok(())
    }
}

/// `record(instance, kind, name, value)`: the state reads a registry with this record from then on.
pub(super) fn setter(lua: &Lua, host: &Host) -> mlua::Result<Function> {
    let given: RefCell<BTreeMap<RecordKey, Record>> = RefCell::default();
    let held = host.clone();
    lua.create_function(
        move |lua, (instance, kind, name, value): (String, String, String, Value)| {
            let mut given = given.borrow_mut();
            let key = RecordKey::new(&instance, &kind, &name);
            match Converter::new(lua, &held.limits).make_json(&value)? {
                Json::Null => drop(given.remove(&key)),
                Json::Object(value) => {
                    let revision = Revision(1);
                    given.insert(key, Record { value, revision });
                }
                _ => {
                    return Err(mlua::Error::runtime(
                        "record: what a record says has named fields, such as { secret = \"x\" }",
                    ));
                }
            }
            let all = given.iter().map(|(key, record)| (key.clone(), record.clone()));
            let registry = Registry::open(Arc::new(Given(all.collect())));
            held.records.replace(registry.map_err(mlua::Error::external)?);
            Ok(())
        },
    )
}
