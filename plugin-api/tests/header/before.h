// dunlin_plugin.h: the C ABI of Dunlin's compiled plugins. Made by cbindgen from plugin-api/src/abi; do not edit.
//
// A plugin is a shared library with one function, dunlin_plugin_v1, which answers a DunlinDeclaration that lives as long as
// the library.
// plugins/example-c is a whole one; docs/plugins.md tells how it comes into service.
//
//   - Every struct that can grow begins with struct_size: set it to sizeof, and the rest that you do not use to zero.
//     DUNLIN_BLANK does both:  DunlinOutcome outcome = DUNLIN_BLANK(DunlinOutcome);
//   - Zero always means "not there". A DunlinSlice whose ptr is NULL is no value; one whose len is 0 is an empty value.
//   - What a call is given is good until it returns. Copy what you need longer. Nothing that you are given is yours to free.
//   - A hook returns a verdict (DUNLIN_ALLOW, DUNLIN_DENY, ...). One that carries more is a DunlinOutcome, given with
//     host->complete: during
//     the call, and the hook returns DUNLIN_ANSWERED; or later from any thread, and the hook returns DUNLIN_PENDING.
//   - Hooks are called from many threads at once. The host's functions may be called from any thread.
//   - No exception may leave a function.
