/*
 * A plugin of ABI 1.0 in C, frozen, with the header as it was then. Built with -DVARIANT it is wrong in one way; see ../README.md.
 */
#include <stdlib.h>

#include "dunlin_plugin_1_0.h"

static void *create(const DunlinHost *host, const DunlinSetup *setup, DunlinBuffer *error) {
    (void)setup;
    (void)error;
    const DunlinHost **instance = malloc(sizeof *instance);
    if (instance) *instance = host;
    return instance;
}

static void destroy(void *instance) {
    free(instance);
}

static int32_t authenticate(void *instance, const DunlinAuthenticateEvent *event, uint64_t ticket) {
    const DunlinHost *host = *(const DunlinHost **)instance;
    if (!dunlin_is(event->username, "fixture")) return DUNLIN_NEXT;
    DunlinOutcome outcome = DUNLIN_BLANK(DunlinOutcome);
    outcome.verdict = DUNLIN_DENY;
    outcome.reason = dunlin_text("by the fixture");
    return host->complete(host->ctx, ticket, &outcome) == DUNLIN_OK ? DUNLIN_ANSWERED : DUNLIN_ERROR;
}

static int32_t authorize_publish(void *instance, const DunlinAuthorizePublishEvent *event, uint64_t ticket) {
    (void)instance;
    (void)event;
    (void)ticket;
    return DUNLIN_ALLOW;
}

#ifdef WAITS_WHERE_NONE_MAY
static int32_t deliver(void *instance, const DunlinDeliverEvent *event, uint64_t ticket) {
    (void)instance;
    (void)event;
    (void)ticket;
    return DUNLIN_PENDING;
}
#endif

#ifdef UNDEFINED_SYMBOL
int nobody_has_this(void);
static int32_t limit(void *instance, const DunlinLimitEvent *event, uint64_t ticket) {
    (void)instance;
    (void)event;
    (void)ticket;
    return nobody_has_this();
}
#endif

/* A table with room behind it, as a later minor has. */
static struct {
    DunlinVTable table;
    uint64_t later[16];
} shown;

static struct {
    DunlinDeclaration declaration;
    uint64_t later[16];
} declared;

static const DunlinDeclaration *declare(void) {
    DunlinVTable *table = &shown.table;
    DunlinDeclaration *declaration = &declared.declaration;
    *table = DUNLIN_BLANK(DunlinVTable);
    table->create = create;
    table->destroy = destroy;
    table->authenticate = authenticate;
    table->authorize_publish = authorize_publish;

    *declaration = DUNLIN_BLANK(DunlinDeclaration);
    declaration->abi_major = 1;
    declaration->abi_minor = 0;
    declaration->magic = DUNLIN_MAGIC;
    declaration->name = dunlin_text("abi-fixture-c");
    declaration->version = dunlin_text("1.0.0");
    declaration->hooks = DUNLIN_BIT(DUNLIN_HOOK_AUTHENTICATE) | DUNLIN_BIT(DUNLIN_HOOK_AUTHORIZE_PUBLISH);
    declaration->vtable = table;

#ifdef SHORT_VTABLE
    /* As if the table ended behind `authenticate`; what stands behind must not be looked at. */
    table->struct_size = (uint32_t)(offsetof(DunlinVTable, authenticate) + sizeof table->authenticate);
    memset((char *)table + table->struct_size, 0xAA, sizeof *table - table->struct_size);
    declaration->hooks = DUNLIN_BIT(DUNLIN_HOOK_AUTHENTICATE);
#endif
#ifdef SHORT_VTABLE_WITH_HOOK
    table->struct_size = (uint32_t)(offsetof(DunlinVTable, authenticate) + sizeof table->authenticate);
#endif
#ifdef NEWER_MINOR
    declaration->abi_minor = 99;
    table->struct_size = (uint32_t)sizeof shown;
    declaration->struct_size = (uint32_t)sizeof declared;
    memset(shown.later, 0xAA, sizeof shown.later);
    memset(declared.later, 0xAA, sizeof declared.later);
#endif
#ifdef NEEDS_NEWER_MINOR
    declaration->abi_minor = 99;
    declaration->min_minor = 98;
#endif
#ifdef WRONG_MAJOR
    declaration->abi_major = 9;
#endif
#ifdef WRONG_MAGIC
    declaration->magic = 42;
#endif
#ifdef WRONG_SIZE
    declaration->struct_size = 3;
#endif
#ifdef HOOK_WITHOUT_FUNCTION
    table->authorize_publish = NULL;
#endif
#ifdef NO_CREATE
    table->create = NULL;
#endif
#ifdef UNKNOWN_HOOK
    declaration->hooks |= (uint64_t)1 << 63;
#endif
#ifdef UNKNOWN_FLAG
    declaration->flags |= (uint64_t)1 << 63;
#endif
#ifdef WAITS_WHERE_NONE_MAY
    table->deliver = deliver;
    declaration->hooks |= DUNLIN_BIT(DUNLIN_HOOK_DELIVER);
    declaration->waits = DUNLIN_BIT(DUNLIN_HOOK_DELIVER);
#endif
#ifdef NO_TABLE
    declaration->vtable = NULL;
#endif
#ifdef UNDEFINED_SYMBOL
    table->limit = limit;
    declaration->hooks |= DUNLIN_BIT(DUNLIN_HOOK_LIMIT);
#endif
    return declaration;
}

#if defined(NO_SYMBOL)
DUNLIN_EXPORT const DunlinDeclaration *dunlin_plugin_v0(void);
DUNLIN_EXPORT const DunlinDeclaration *dunlin_plugin_v0(void) {
    return declare();
}
#elif defined(NULL_DECLARATION)
DUNLIN_EXPORT const DunlinDeclaration *dunlin_plugin_v1(void) {
    (void)declare;
    return NULL;
}
#else
DUNLIN_EXPORT const DunlinDeclaration *dunlin_plugin_v1(void) {
    return declare();
}
#endif
