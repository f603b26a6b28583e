/* A plugin with one hook. Each -D makes it wrong in one way; the tests here know what is to be said of each. */
#define _POSIX_C_SOURCE 200809L
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "dunlin_plugin.h"

static inline void rest(long ms) {
    struct timespec time = {ms / 1000, ms % 1000 * 1000000};
    while (nanosleep(&time, &time) != 0) {
    }
}

static inline void say(const DunlinHost *host, const char *text) {
    host->log(host->ctx, DUNLIN_LEVEL_INFO, dunlin_text("plugin"), dunlin_text(text));
}

static inline int has(DunlinSlice slice, const char *word) {
    size_t len = strlen(word), at;
    for (at = 0; at + len <= slice.len; at += 1)
        if (memcmp(slice.ptr + at, word, len) == 0) return 1;
    return 0;
}

#ifdef SLOW_CONSTRUCTOR
/* Longer than the tests let a load take, and then it is there all the same. */
__attribute__((constructor)) static void dawdle(void) { rest(1500); }
#endif

#ifdef TIMER_THEN_REFUSAL
static void due(void *host) { say(host, "the timer was called"); }
static void given_back(void *host) { say(host, "the timer was given back"); }
#endif

#ifdef LOGS_AFTER_ITS_END
static void *speak(void *at) {
    const DunlinHost *host = at;
    char text[64];
    int32_t n, set;
    for (n = 1; n <= 20; n += 1) {
        set = host->kv_set(host->ctx, DUNLIN_SPACE_OWN, dunlin_text("key"), dunlin_text("value"), 0);
        snprintf(text, sizeof text, "line %d, kv_set says %d", (int)n, (int)set);
        say(host, text);
        rest(50);
    }
    return 0;
}
#endif

static int publishes_slowly;

static void *create(const DunlinHost *host, const DunlinSetup *setup, DunlinBuffer *error) {
    (void)error;
    publishes_slowly = has(setup->settings, "publish");
#ifdef SLOW_CREATE
    say(host, "create begins");
    rest(1500);
    say(host, "create comes back");
#endif
#ifdef TIMER_THEN_REFUSAL
    host->timer(host->ctx, 300, due, given_back, (void *)host);
    return 0;
#endif
#ifdef REFUSES
    return 0;
#endif
#ifdef LOGS_AFTER_ITS_END
    pthread_t thread;
    if (pthread_create(&thread, 0, speak, (void *)host) == 0) pthread_detach(thread);
#endif
    return (void *)host;
}

static void destroy(void *instance) { say(instance, "destroyed"); }

#ifdef OVERRUNS
static int32_t authorize_publish(void *instance, const DunlinAuthorizePublishEvent *event, uint64_t ticket) {
    (void)instance, (void)event, (void)ticket;
    if (publishes_slowly) rest(100);
    return DUNLIN_ALLOW;
}
#endif

#ifdef DISCONNECTS
static int32_t authorize_publish(void *instance, const DunlinAuthorizePublishEvent *event, uint64_t ticket) {
    const DunlinHost *host = instance;
    DunlinOutcome outcome = DUNLIN_BLANK(DunlinOutcome);
    if (!dunlin_is(event->topic, "out")) return DUNLIN_NEXT;
    outcome.verdict = DUNLIN_DISCONNECT;
    outcome.reason = dunlin_text("not there");
    return host->complete(host->ctx, ticket, &outcome) == DUNLIN_OK ? DUNLIN_ANSWERED : DUNLIN_ERROR;
}

static int32_t authorize_subscribe(void *instance, const DunlinAuthorizeSubscribeEvent *event, uint64_t ticket) {
    (void)instance, (void)ticket;
    return dunlin_is(event->filter, "out") ? DUNLIN_DISCONNECT : DUNLIN_NEXT;
}
#endif

#ifdef UNDEFINED
int32_t nobody_has_this(void);
#endif
#ifdef THREAD_LOCAL
__thread int32_t calls;
#endif

static int32_t authenticate(void *instance, const DunlinAuthenticateEvent *event, uint64_t ticket) {
    (void)instance, (void)event, (void)ticket;
#ifdef HANGS
    say(instance, "authenticate hangs");
    for (;;) rest(1000);
#endif
#ifdef UNDEFINED
    return nobody_has_this();
#endif
#ifdef THREAD_LOCAL
    calls += 1;
#endif
#ifdef OVERRUNS
    if (!publishes_slowly) rest(100);
    return DUNLIN_ALLOW;
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
#ifdef OVERRUNS
    table.authorize_publish = authorize_publish;
    declaration.hooks |= DUNLIN_BIT(DUNLIN_HOOK_AUTHORIZE_PUBLISH);
#endif
#ifdef DISCONNECTS
    table.authorize_publish = authorize_publish;
    table.authorize_subscribe = authorize_subscribe;
    declaration.hooks |= DUNLIN_BIT(DUNLIN_HOOK_AUTHORIZE_PUBLISH) | DUNLIN_BIT(DUNLIN_HOOK_AUTHORIZE_SUBSCRIBE);
#endif
#ifdef LOGS_AFTER_ITS_END
    declaration.flags = DUNLIN_FLAG_THREADS;
#endif
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
