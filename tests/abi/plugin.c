/* A plugin with one hook. Each -D makes it wrong in one way; tests/abi/main.rs knows what is to be said of each. */
#include "dunlin_plugin.h"

static void *create(const DunlinHost *host, const DunlinSetup *setup, DunlinBuffer *error) {
    (void)setup, (void)error;
    return (void *)host;
}

static void destroy(void *instance) { (void)instance; }

#ifdef UNDEFINED
int32_t nobody_has_this(void);
#endif
#ifdef THREAD_LOCAL
__thread int32_t calls;
#endif

static int32_t authenticate(void *instance, const DunlinAuthenticateEvent *event, uint64_t ticket) {
    (void)instance, (void)event, (void)ticket;
#ifdef UNDEFINED
    return nobody_has_this();
#endif
#ifdef THREAD_LOCAL
    calls += 1;
#endif
    return DUNLIN_NEXT;
}

#ifdef OTHER_MAJOR_SYMBOL
#define dunlin_plugin_v1 dunlin_plugin_v2
#endif
#ifdef NO_SYMBOL
#define dunlin_plugin_v1 some_other_library
#endif

DUNLIN_EXPORT const DunlinDeclaration *dunlin_plugin_v1(void) {
    static DunlinVTable table;
    static DunlinDeclaration declaration;
    table = DUNLIN_BLANK(DunlinVTable);
    table.create = create;
    table.destroy = destroy;
    table.authenticate = authenticate;
    declaration = DUNLIN_BLANK(DunlinDeclaration);
    declaration.magic = DUNLIN_MAGIC;
    declaration.abi_major = DUNLIN_ABI_MAJOR;
    declaration.abi_minor = DUNLIN_ABI_MINOR;
    declaration.name = dunlin_text("first");
    declaration.version = dunlin_text("1.2.3");
    declaration.hooks = DUNLIN_BIT(DUNLIN_HOOK_AUTHENTICATE);
    declaration.vtable = &table;
#ifdef SHORT_TABLE
    /* As a plugin of a version that ended with this hook. */
    table.struct_size = (uint32_t)(offsetof(DunlinVTable, authenticate) + sizeof table.authenticate);
#endif
#ifdef SHORTER_TABLE
    table.struct_size = (uint32_t)offsetof(DunlinVTable, authenticate);
#endif
#ifdef NEWER_MINOR
    declaration.abi_minor = DUNLIN_ABI_MINOR + 7;
    declaration.hooks |= (uint64_t)1 << 60;
    declaration.flags = (uint64_t)1 << 40;
#endif
#ifdef NEEDS_NEWER
    declaration.min_minor = DUNLIN_ABI_MINOR + 7;
#endif
#ifdef OTHER_MAJOR
    declaration.abi_major = 9;
#endif
#ifdef WRONG_MAGIC
    declaration.magic = 7;
#endif
#ifdef WRONG_SIZE
    declaration.struct_size = 3;
#endif
#ifdef UNKNOWN_FLAG
    declaration.flags = (uint64_t)1 << 40;
#endif
#ifdef NO_NAME
    declaration.name = dunlin_text("");
#endif
#ifdef LONG_NAME
    declaration.name.len = (size_t)1 << 62;
#endif
#ifdef NO_TABLE
    declaration.vtable = 0;
#endif
#ifdef NO_CREATE
    table.create = 0;
#endif
#ifdef NO_FUNCTION
    declaration.hooks |= DUNLIN_BIT(DUNLIN_HOOK_WILL);
#endif
#ifdef NOTHING
    return 0;
#endif
    return &declaration;
}
