//! The description against what is there: a real state, the readers of declarations, the files that are made of it.

use super::*;
use crate::hooks::host::{Host, modules::Modules};
use crate::hooks::lua::sandbox::Sandbox;
use std::rc::Rc;
use std::sync::Arc;

/// A state as policies get it.
pub(in crate::hooks) fn state() -> Sandbox {
    let host = Host::new("described", 64 << 20, &Arc::default());
    Sandbox::new(host, Rc::new(Modules::loaded(&[]))).unwrap()
}
