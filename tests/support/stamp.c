/*
 * A plugin for tests of swaps: it puts its version behind the payload of every message. The version is a text in the file, so that
 * another version is another file, without a compiler.
 */
#include <stdlib.h>
#include <string.h>

#include "dunlin_plugin.h"

static const char stamp[] = " v0000000";
/* Through this the compiler cannot see what it says, and has to read it. */
static const char *volatile const written = stamp;

struct plugin {
    const DunlinHost *host;
    uint64_t handed_over;
};

static void *create(const DunlinHost *host, const DunlinSetup *setup, DunlinBuffer *error) {
    (void)error;
    struct plugin *plugin = calloc(1, sizeof *plugin);
    if (!plugin) return NULL;
    plugin->host = host;
    if (setup->previous.ptr && setup->previous_version == 7 && setup->previous.len == sizeof plugin->handed_over)
        memcpy(&plugin->handed_over, setup->previous.ptr, sizeof plugin->handed_over);
    return plugin;
}

static void destroy(void *instance) { free(instance); }

/* How often it has been replaced is what it hands over. */
static int32_t export_state(void *instance, uint64_t ticket) {
    const struct plugin *plugin = instance;
    uint64_t next = plugin->handed_over + 1;
    DunlinOutcome outcome = DUNLIN_BLANK(DunlinOutcome);
    outcome.verdict = DUNLIN_ALLOW;
    outcome.state.ptr = (const uint8_t *)&next;
    outcome.state.len = sizeof next;
    outcome.state_version = 7;
    return plugin->host->complete(plugin->host->ctx, ticket, &outcome) == DUNLIN_OK ? DUNLIN_ANSWERED : DUNLIN_ERROR;
}

static int32_t publish(void *instance, const DunlinPublishEvent *event, uint64_t ticket) {
    const struct plugin *plugin = instance;
    size_t length = event->msg->payload.len;
    uint8_t payload[4096];
    if (length + sizeof stamp > sizeof payload) return DUNLIN_PASS;
    memcpy(payload, event->msg->payload.ptr, length);
    memcpy(payload + length, written, sizeof stamp - 1);
    DunlinPublishPatch patch = DUNLIN_BLANK(DunlinPublishPatch);
    patch.payload.ptr = payload;
    patch.payload.len = length + sizeof stamp - 1;
    DunlinOutcome outcome = DUNLIN_BLANK(DunlinOutcome);
    outcome.verdict = DUNLIN_CHANGE;
    outcome.publish = &patch;
    return plugin->host->complete(plugin->host->ctx, ticket, &outcome) == DUNLIN_OK ? DUNLIN_ANSWERED : DUNLIN_ERROR;
}

static int32_t limit(void *instance, const DunlinLimitEvent *event, uint64_t ticket) {
    static const char asked[] = "replaced";
    if (event->name.len != sizeof asked - 1 || memcmp(event->name.ptr, asked, sizeof asked - 1) != 0) return DUNLIN_NEXT;
    const struct plugin *plugin = instance;
    DunlinOutcome outcome = DUNLIN_BLANK(DunlinOutcome);
    outcome.verdict = DUNLIN_NUMBER;
    outcome.number.present = 1;
    outcome.number.value = (double)plugin->handed_over;
    return plugin->host->complete(plugin->host->ctx, ticket, &outcome) == DUNLIN_OK ? DUNLIN_ANSWERED : DUNLIN_ERROR;
}

static const DunlinVTable table = {
    .struct_size = sizeof table,
    .create = create,
    .destroy = destroy,
    .export_state = export_state,
    .publish = publish,
    .limit = limit,
};

static const char name[] = "stamp";

static const DunlinDeclaration declaration = {
    .struct_size = sizeof declaration,
    .abi_major = DUNLIN_ABI_MAJOR,
    .abi_minor = DUNLIN_ABI_MINOR,
    .magic = DUNLIN_MAGIC,
    .name = {(const uint8_t *)name, sizeof name - 1},
    .version = {(const uint8_t *)stamp + 1, sizeof stamp - 2},
    .flags = DUNLIN_FLAG_UNLOADABLE,
    .hooks = DUNLIN_BIT(DUNLIN_HOOK_PUBLISH) | DUNLIN_BIT(DUNLIN_HOOK_LIMIT),
    .vtable = &table,
};

DUNLIN_EXPORT const DunlinDeclaration *dunlin_plugin_v1(void) { return &declaration; }
