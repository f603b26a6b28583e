/*
 * A plugin for tests of the host's functions: a message to do/WHAT has it done, with the payload as the client id that it is about, and
 * the message itself goes nowhere. What comes of it is published to did/WHAT.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dunlin_plugin.h"

struct plugin {
    const DunlinHost *host;
};

static DunlinSlice none(void) {
    DunlinSlice slice = {NULL, 0};
    return slice;
}

static void did(const DunlinHost *host, const char *what, const char *text) {
    char topic[64];
    snprintf(topic, sizeof topic, "did/%s", what);
    DunlinNewMessage message = DUNLIN_BLANK(DunlinNewMessage);
    message.topic = dunlin_text(topic);
    message.payload = dunlin_text(text);
    if (host->publish(host->ctx, none(), &message) != DUNLIN_OK)
        host->log(host->ctx, DUNLIN_LEVEL_ERROR, dunlin_text(what), dunlin_text("not published"));
}

static void *create(const DunlinHost *host, const DunlinSetup *setup, DunlinBuffer *error) {
    (void)setup, (void)error;
    struct plugin *plugin = malloc(sizeof *plugin);
    if (!plugin) return NULL;
    plugin->host = host;
    DunlinNewMessage message = DUNLIN_BLANK(DunlinNewMessage);
    message.topic = dunlin_text("did/create");
    char line[64];
    snprintf(line, sizeof line, "publish in create: %d", (int)host->publish(host->ctx, none(), &message));
    host->log(host->ctx, DUNLIN_LEVEL_INFO, dunlin_text("host.c"), dunlin_text(line));
    return plugin;
}

static void destroy(void *instance) { free(instance); }

static void found(void *data, int32_t status, const DunlinSessionInfo *session) {
    const struct plugin *plugin = data;
    char text[96];
    if (session)
        snprintf(text, sizeof text, "status %d, connected %u, subscriptions %u", (int)status, (unsigned)session->connected,
                 (unsigned)session->subscriptions);
    else
        snprintf(text, sizeof text, "status %d", (int)status);
    did(plugin->host, "session", text);
}

static void rang(void *data) {
    const struct plugin *plugin = data;
    did(plugin->host, "timer", "it rang");
}

static int32_t publish(void *instance, const DunlinPublishEvent *event, uint64_t ticket) {
    struct plugin *plugin = instance;
    const DunlinHost *host = plugin->host;
    const DunlinSlice topic = event->msg->topic, who = event->msg->payload;
    (void)ticket;
    if (topic.len < 3 || memcmp(topic.ptr, "do/", 3) != 0) return DUNLIN_PASS;
    char text[128] = "";
    if (dunlin_is(topic, "do/session")) {
        int32_t status = host->session(host->ctx, none(), who, found, plugin);
        if (status != DUNLIN_OK) did(host, "session", "refused");
    } else if (dunlin_is(topic, "do/timer")) {
        host->timer(host->ctx, 20, rang, NULL, plugin);
    } else if (dunlin_is(topic, "do/send")) {
        DunlinNewMessage message = DUNLIN_BLANK(DunlinNewMessage);
        message.topic = dunlin_text("for/you");
        message.payload = dunlin_text("alone");
        message.qos = 1;
        host->send(host->ctx, none(), who, &message);
    } else if (dunlin_is(topic, "do/kick")) {
        host->kick(host->ctx, none(), who, 0x98, dunlin_text("kicked by host.c"));
    } else if (dunlin_is(topic, "do/reauthorize")) {
        snprintf(text, sizeof text, "%d", (int)host->reauthorize(host->ctx, none(), none()));
        did(host, "reauthorize", text);
    } else if (dunlin_is(topic, "do/kv")) {
        double now = 0;
        uint8_t value[16];
        DunlinBuffer buffer = {value, sizeof value, 0};
        host->kv_set(host->ctx, DUNLIN_SPACE_SHARED, dunlin_text("seen"), dunlin_text("by host.c"), 0);
        host->kv_incr(host->ctx, DUNLIN_SPACE_OWN, dunlin_text("count"), 2, 0, &now);
        int32_t status = host->kv_get(host->ctx, DUNLIN_SPACE_SHARED, dunlin_text("seen"), &buffer);
        int32_t first = host->kv_delete(host->ctx, DUNLIN_SPACE_OWN, dunlin_text("count"));
        int32_t again = host->kv_delete(host->ctx, DUNLIN_SPACE_OWN, dunlin_text("count"));
        snprintf(text, sizeof text, "%d %.*s, count %.0f, deleted %d %d", (int)status, (int)buffer.length, (const char *)value, now,
                 (int)first, (int)again);
        did(host, "kv", text);
    } else if (dunlin_is(topic, "do/facts")) {
        uint8_t policy[32], settings[64], random[8] = {0};
        DunlinBuffer one = {policy, sizeof policy, 0}, two = {settings, sizeof settings, 0}, small = {settings, 1, 0};
        int32_t too_small = host->config(host->ctx, dunlin_text("broker_version"), &small);
        host->config(host->ctx, dunlin_text("policy"), &one);
        host->config(host->ctx, dunlin_text("settings"), &two);
        int32_t filled = host->random(host->ctx, random, sizeof random);
        snprintf(text, sizeof text, "%.*s %.*s too small %d random %d clocks %d absent %d", (int)one.length, (const char *)policy,
                 (int)two.length, (const char *)settings, (int)too_small, (int)filled,
                 host->clock_wall(host->ctx) > 1700000000000000000u && host->clock_monotonic(host->ctx) > 0,
                 (int)host->config(host->ctx, dunlin_text("nothing"), &one));
        did(host, "facts", text);
    } else if (dunlin_is(topic, "do/nonsense")) {
        DunlinNewMessage message = DUNLIN_BLANK(DunlinNewMessage);
        message.topic = dunlin_text("a/+/b");
        snprintf(text, sizeof text, "wildcard %d, instance %d, code %d, metric %d, ticket %d",
                 (int)host->publish(host->ctx, none(), &message),
                 (int)host->kick(host->ctx, dunlin_text("elsewhere"), who, 0, none()),
                 (int)host->kick(host->ctx, none(), who, 5, none()),
                 (int)host->counter_add(host->ctx, dunlin_text("no-name"), (DunlinPairList){0, 0}, 1),
                 (int)host->complete(host->ctx, 12345, NULL));
        did(host, "nonsense", text);
    } else if (dunlin_is(topic, "do/count")) {
        DunlinPair label = {dunlin_text("kind"), dunlin_text("test")};
        host->counter_add(host->ctx, dunlin_text("done"), (DunlinPairList){&label, 1}, 3);
        host->gauge_set(host->ctx, dunlin_text("level"), (DunlinPairList){0, 0}, 7);
        host->histogram_observe(host->ctx, dunlin_text("took_seconds"), (DunlinPairList){0, 0}, 0.02);
        did(host, "count", "counted");
    }
    return DUNLIN_DROP;
}

static const DunlinVTable table = {
    .struct_size = sizeof table,
    .create = create,
    .destroy = destroy,
    .publish = publish,
};

static const char name[] = "host", version[] = "1";

static const DunlinDeclaration declaration = {
    .struct_size = sizeof declaration,
    .abi_major = DUNLIN_ABI_MAJOR,
    .abi_minor = DUNLIN_ABI_MINOR,
    .magic = DUNLIN_MAGIC,
    .name = {(const uint8_t *)name, sizeof name - 1},
    .version = {(const uint8_t *)version, sizeof version - 1},
    .hooks = DUNLIN_BIT(DUNLIN_HOOK_PUBLISH),
    .vtable = &table,
};

DUNLIN_EXPORT const DunlinDeclaration *dunlin_plugin_v1(void) { return &declaration; }
