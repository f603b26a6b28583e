//! What a plugin says of itself.

use dunlin_plugin_api::HookSet;
use dunlin_plugin_api::abi::VTable;

pub(super) struct Declared {
    pub(super) name: String,
    pub(super) table: VTable,
    pub(super) waits: HookSet,
}
