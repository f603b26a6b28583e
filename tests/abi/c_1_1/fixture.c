/*
 * A plugin of ABI 1.1 in C, frozen, with the header as it was then. It uses what 1.1 has and 1.0 had not; see ../README.md. It has no
 * variants: what can be declared wrongly has not changed.
 */
#include <stdlib.h>

#include "dunlin_plugin_1_1.h"

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

static int32_t complete(const DunlinHost *host, uint64_t ticket, const DunlinOutcome *outcome) {
    return host->complete(host->ctx, ticket, outcome) == DUNLIN_OK ? DUNLIN_ANSWERED : DUNLIN_ERROR;
}

static int32_t deny(const DunlinHost *host, uint64_t ticket, const char *why) {
    DunlinOutcome outcome = DUNLIN_BLANK(DunlinOutcome);
    outcome.verdict = DUNLIN_DENY;
    outcome.reason = dunlin_text(why);
    return complete(host, ticket, &outcome);
}

/* The client is of the instance that its user name says. */
static int32_t on_connect(void *instance, const DunlinConnectEvent *event, uint64_t ticket) {
    if (!event->connect->username.ptr) return DUNLIN_PASS;
    DunlinConnectPatch patch = DUNLIN_BLANK(DunlinConnectPatch);
    patch.instance = event->connect->username;
    DunlinOutcome outcome = DUNLIN_BLANK(DunlinOutcome);
    outcome.verdict = DUNLIN_CHANGE;
    outcome.connect = &patch;
    return complete(*(const DunlinHost **)instance, ticket, &outcome);
}

/* The login rests on the key of the client's id; what its record says are the attributes. */
static int32_t authenticate(void *instance, const DunlinAuthenticateEvent *event, uint64_t ticket) {
    const DunlinHost *host = *(const DunlinHost **)instance;
    const DunlinContext *ctx = event->ctx;
    uint8_t memory[64];
    DunlinBuffer buffer = {NULL, 0, 0};
    int32_t status = host->registry_get(host->ctx, ctx->instance, dunlin_text("key"), ctx->client_id, &buffer);
    if (status == DUNLIN_ABSENT) return deny(host, ticket, "no such key");
    if (status != DUNLIN_TOO_SMALL) return DUNLIN_ERROR;
    if (buffer.length > sizeof memory) return deny(host, ticket, "too much of a key");
    buffer.ptr = memory;
    buffer.capacity = sizeof memory;
    status = host->registry_get(host->ctx, ctx->instance, dunlin_text("key"), ctx->client_id, &buffer);
    if (status != DUNLIN_OK) return DUNLIN_ERROR;

    char record[64] = "key/";
    if (ctx->client_id.len > sizeof record - 5) return DUNLIN_ERROR;
    memcpy(record + 4, ctx->client_id.ptr, ctx->client_id.len);
    DunlinSlice depends = dunlin_text(record);
    DunlinGrant grant = DUNLIN_BLANK(DunlinGrant);
    grant.attrs.ptr = memory;
    grant.attrs.len = buffer.length;
    grant.any_client_id = dunlin_int(1);
    grant.depends.items = &depends;
    grant.depends.len = 1;
    DunlinOutcome outcome = DUNLIN_BLANK(DunlinOutcome);
    outcome.verdict = DUNLIN_ALLOW;
    outcome.grant = &grant;
    return complete(host, ticket, &outcome);
}

/* Before the end nothing but the attributes changes: to the second key, as a list. At the end the login goes on and rests on nothing. */
static int32_t expiring(void *instance, const DunlinExpiringEvent *event, uint64_t ticket) {
    const DunlinHost *host = *(const DunlinHost **)instance;
    DunlinControlled controlled = DUNLIN_BLANK(DunlinControlled);
    uint8_t memory[256] = "{\"keys\":";
    DunlinBuffer buffer = {memory + 8, sizeof memory - 9, 0};
    DunlinSlice none = {NULL, 0};
    if (event->ended) {
        controlled.expires_at.present = 1;
        controlled.expires_at.value = event->expires_at + 60;
        controlled.acl = dunlin_text("[]");
        controlled.depends.items = &none;
    } else {
        if (host->registry_list(host->ctx, event->ctx->instance, dunlin_text("key"), dunlin_text("a"), 1, &buffer) != DUNLIN_OK)
            return DUNLIN_ERROR;
        memory[8 + buffer.length] = '}';
        controlled.attrs.ptr = memory;
        controlled.attrs.len = buffer.length + 9;
    }
    DunlinOutcome outcome = DUNLIN_BLANK(DunlinOutcome);
    outcome.verdict = DUNLIN_CHANGE;
    outcome.controlled = &controlled;
    return complete(host, ticket, &outcome);
}

static DunlinVTable table;
static DunlinDeclaration declaration;

DUNLIN_EXPORT const DunlinDeclaration *dunlin_plugin_v1(void) {
    table = DUNLIN_BLANK(DunlinVTable);
    table.create = create;
    table.destroy = destroy;
    table.connect = on_connect;
    table.authenticate = authenticate;
    table.expiring = expiring;

    declaration = DUNLIN_BLANK(DunlinDeclaration);
    declaration.abi_major = 1;
    declaration.abi_minor = 1;
    declaration.magic = DUNLIN_MAGIC;
    declaration.min_minor = 1;
    declaration.name = dunlin_text("abi-fixture-1-1");
    declaration.version = dunlin_text("1.1.0");
    declaration.hooks = DUNLIN_BIT(DUNLIN_HOOK_CONNECT) | DUNLIN_BIT(DUNLIN_HOOK_AUTHENTICATE) | DUNLIN_BIT(DUNLIN_HOOK_EXPIRING);
    declaration.vtable = &table;
    return &declaration;
}

DUNLIN_ABOUT("abi-fixture-1-1", "1.1.0")
