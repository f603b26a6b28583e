//! `require "lib/units"`: shared code from the folder of the script, compiled and hashed with the policy.
//!
//! Files are read while a generation is staged, and only then; a shard that builds its state gets the bytecode that was
//! checked. So a policy requires what it needs while it loads, not in the middle of a call.

use super::arguments::text;
use crate::hooks::error::LoadError;
use crate::hooks::lua::sandbox;
use crate::hooks::policy::Image;
use crate::hooks::source;
use mlua::{Function, Lua, Table, Value};
use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

/// The modules that a state may require.
pub(crate) struct Modules {
    /// Where to read further ones from; `None` when all are known.
    folder: Option<Folder>,
    images: RefCell<Vec<Image>>,
}

struct Folder {
    /// The folder of the script.
    path: PathBuf,
    /// The same as errors write it.
    shown: String,
}

impl Modules {
    /// Modules are read from beside the script.
    pub(crate) fn reading(script: &Image) -> Self {
        let shown = Path::new(&*script.file)
            .parent()
            .map(|p| p.to_string_lossy().into_owned())
            .unwrap_or_default();
        let path = script.path.parent().map(Path::to_path_buf).unwrap_or_default();
        Self {
            folder: Some(Folder { path, shown }),
            images: RefCell::default(),
        }
    }

    /// These modules and no others.
    pub(crate) fn loaded(images: &[Image]) -> Self {
        Self {
            folder: None,
            images: RefCell::new(images.to_vec()),
        }
    }

    /// What was required, in order.
    pub(crate) fn required(&self) -> Vec<Image> {
        self.images.borrow().clone()
    }

    fn find(&self, name: &str) -> mlua::Result<Image> {
        if let Some(image) = self.images.borrow().iter().find(|image| &*image.name == name) {
            return Ok(image.clone());
        }
        let Some(folder) = &self.folder else {
            return Err(mlua::Error::runtime(format!(
                "require: `{name}` was not required while the script loaded; require it at the top of the file"
            )));
        };
        let image = folder
            .read(name)
            .map_err(|error| mlua::Error::runtime(format!("require: {error}")))?;
        self.images.borrow_mut().push(image.clone());
        Ok(image)
    }
}

impl Folder {
    fn read(&self, name: &str) -> Result<Image, LoadError> {
        let file = format!("{name}.lua");
        let shown = if self.shown.is_empty() {
            file.clone()
        } else {
            format!("{}/{file}", self.shown)
        };
        source::read(name, shown, self.path.join(file))
    }
}

/// Whether `name` stays in the folder: `lib/units` does, `../x` and `/etc/x` do not.
fn stays_inside(name: &str) -> bool {
    let part = |part: &str| {
        !part.is_empty()
            && part
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
    };
    name.split('/').all(part)
}

/// The `require` function.
pub(super) fn require(lua: &Lua, modules: Rc<Modules>) -> mlua::Result<Function> {
    let loaded: Table = lua.create_table()?;
    let loading: RefCell<Vec<Arc<str>>> = RefCell::default();
    lua.create_function(move |lua, name: Value| -> mlua::Result<Value> {
        let name = text(&name, "require", 1, "name")?;
        let name = name.strip_prefix("./").unwrap_or(&name);
        if !stays_inside(name) {
            return Err(mlua::Error::runtime(format!(
                "require: `{name}` does not name a file beside the script; write for instance `require \"lib/units\"`"
            )));
        }
        match loaded.raw_get(name)? {
            Value::Nil => {}
            ready => return Ok(ready),
        }
        if loading.borrow().iter().any(|other| &**other == name) {
            return Err(mlua::Error::runtime(format!("require: `{name}` requires itself")));
        }
        let image = modules.find(name)?;
        loading.borrow_mut().push(image.name.clone());
        let value = sandbox::load(lua, &image.bytecode, &image.file).and_then(|main| main.call::<Value>(()));
        loading.borrow_mut().pop();
        match value? {
            Value::Nil => Err(mlua::Error::runtime(format!("require: {} returns nothing", image.file))),
            value => loaded.raw_set(name, &value).map(|()| value),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::stays_inside;

    #[test]
    fn names_stay_in_the_folder() {
        for good in ["units", "lib/units", "a-b_c/d1"] {
            assert!(stays_inside(good), "{good}");
        }
        for bad in [
            "",
            "../x",
            "/etc/passwd",
            "lib//x",
            "lib/../../x",
            "x.lua",
            "a\0b",
            "lib/",
        ] {
            assert!(!stays_inside(bad), "{bad}");
        }
    }
}
