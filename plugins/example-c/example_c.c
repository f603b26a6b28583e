/*
 * An authentication plugin in C: whoever knows the one password comes in.
 *
 *     [[policy]]
 *     name = "example-c"
 *     plugin = "example_c.so"
 *     settings = { password = "open sesame" }
 *
 * It shows the whole of a plugin: a declaration, a table, an instance, an answer that is an integer, and one that carries more.
 */
#include <stdlib.h>
#include <string.h>

#include "dunlin_plugin.h"

struct plugin {
    const DunlinHost *host; /* good until destroy returns */
    char password[128];
    size_t length;
};

static void refuse(DunlinBuffer *error, const char *why) {
    size_t length = strlen(why);
    error->length = length;
    memcpy(error->ptr, why, length < error->capacity ? length : error->capacity);
}

/*
 * Finds the text of "password" in the settings. They are JSON that the broker wrote; a plugin that has more to read than
 * one plain text uses a JSON library. Escapes are refused rather than misread.
 */
static int read_password(struct plugin *plugin, DunlinSlice settings) {
    const char key[] = "\"password\"";
    const char *at = (const char *)settings.ptr;
    const char *end = at + settings.len;
    const size_t key_length = sizeof key - 1;
    while (at && (size_t)(end - at) > key_length && memcmp(at, key, key_length) != 0) at++;
    if (!at || (size_t)(end - at) <= key_length) return 0;
    at += key_length;
    while (at < end && (*at == ' ' || *at == ':')) at++;
    if (at == end || *at++ != '"') return 0;
    const char *close = at;
    while (close < end && *close != '"' && *close != '\\') close++;
    if (close == end || *close == '\\' || close == at) return 0;
    plugin->length = (size_t)(close - at);
    if (plugin->length > sizeof plugin->password) return 0;
    memcpy(plugin->password, at, plugin->length);
    return 1;
}

static void *create(const DunlinHost *host, const DunlinSetup *setup, DunlinBuffer *error) {
    struct plugin *plugin = calloc(1, sizeof *plugin);
    if (!plugin) {
        refuse(error, "out of memory");
        return NULL;
    }
    plugin->host = host;
    if (!read_password(plugin, setup->settings)) {
        refuse(error, "the setting `password` is missing, or no plain text of at most 128 bytes");
        free(plugin);
        return NULL;
    }
    host->log(host->ctx, DUNLIN_LEVEL_INFO, dunlin_text("example_c"), dunlin_text("ready"));
    return plugin;
}

static void destroy(void *instance) {
    free(instance);
}

/* Takes as long for a wrong password as for the right one of the same length. */
static int same(const uint8_t *a, const char *b, size_t length) {
    unsigned char difference = 0;
    for (size_t i = 0; i < length; i++) difference |= (unsigned char)(a[i] ^ (unsigned char)b[i]);
    return difference == 0;
}

/* Called from many threads at once: it reads the instance and changes nothing. */
static int32_t authenticate(void *instance, const DunlinAuthenticateEvent *event, uint64_t ticket) {
    const struct plugin *plugin = instance;
    if (!event->password.ptr) return DUNLIN_NEXT; /* none of ours */
    if (event->password.len == plugin->length && same(event->password.ptr, plugin->password, plugin->length)) {
        DunlinGrant grant = DUNLIN_BLANK(DunlinGrant);
        grant.attrs = dunlin_text("{\"role\":\"guest\"}");
        DunlinOutcome outcome = DUNLIN_BLANK(DunlinOutcome);
        outcome.verdict = DUNLIN_ALLOW;
        outcome.grant = &grant;
        if (plugin->host->complete(plugin->host->ctx, ticket, &outcome) != DUNLIN_OK) return DUNLIN_ERROR;
        return DUNLIN_ANSWERED;
    }
    DunlinOutcome outcome = DUNLIN_BLANK(DunlinOutcome);
    outcome.verdict = DUNLIN_DENY;
    outcome.code = dunlin_int(0x86); /* bad user name or password */
    outcome.reason = dunlin_text("wrong password");
    if (plugin->host->complete(plugin->host->ctx, ticket, &outcome) != DUNLIN_OK) return DUNLIN_ERROR;
    return DUNLIN_ANSWERED;
}

static const DunlinVTable table = {
    .struct_size = sizeof table,
    .create = create,
    .destroy = destroy,
    .authenticate = authenticate,
};

/* A constant cannot call dunlin_text; these are the lengths without the zeros at the end. */
static const char name[] = "example_c";
static const char version[] = "1.0.0";

DUNLIN_ABOUT("example_c", "1.0.0")

static const DunlinDeclaration declaration = {
    .struct_size = sizeof declaration,
    .abi_major = DUNLIN_ABI_MAJOR,
    .abi_minor = DUNLIN_ABI_MINOR,
    .magic = DUNLIN_MAGIC,
    .name = {(const uint8_t *)name, sizeof name - 1},
    .version = {(const uint8_t *)version, sizeof version - 1},
    .flags = DUNLIN_FLAG_UNLOADABLE,
    .hooks = DUNLIN_BIT(DUNLIN_HOOK_AUTHENTICATE),
    .vtable = &table,
};

DUNLIN_EXPORT const DunlinDeclaration *dunlin_plugin_v1(void) {
    return &declaration;
}
