/* Uses the header as a plugin does, and compares a size with the one that Rust has. */
#include "dunlin_plugin.h"

typedef char vtable_is_as_large_as_in_rust[sizeof(DunlinVTable) == SIZE_OF_VTABLE ? 1 : -1];

static int32_t authenticate(void *instance, const DunlinAuthenticateEvent *event, uint64_t ticket) {
    const DunlinHost *host = (const DunlinHost *)instance;
    if (dunlin_is(event->username, "guest")) {
        DunlinOutcome outcome = DUNLIN_BLANK(DunlinOutcome);
        outcome.verdict = DUNLIN_DENY;
        outcome.code = dunlin_int(0x87);
        outcome.reason = dunlin_text("no guests");
        return host->complete(host->ctx, ticket, &outcome) == DUNLIN_OK ? DUNLIN_ANSWERED : DUNLIN_ERROR;
    }
    return DUNLIN_NEXT;
}

DUNLIN_EXPORT const DunlinDeclaration *dunlin_plugin_v1(void) {
    static DunlinVTable table;
    static DunlinDeclaration declaration;
    table = DUNLIN_BLANK(DunlinVTable);
    table.authenticate = authenticate;
    declaration = DUNLIN_BLANK(DunlinDeclaration);
    declaration.magic = DUNLIN_MAGIC;
    declaration.abi_major = DUNLIN_ABI_MAJOR;
    declaration.hooks = DUNLIN_BIT(DUNLIN_HOOK_AUTHENTICATE);
    declaration.vtable = &table;
    return &declaration;
}
