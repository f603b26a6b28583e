// A struct of zeros that knows its size.
#define DUNLIN_BLANK(type) dunlin_blank_##type()
#define DUNLIN_BLANK_OF(type)                                                                                \
    static inline type dunlin_blank_##type(void) {                                                           \
        type blank;                                                                                          \
        memset(&blank, 0, sizeof blank);                                                                     \
        blank.struct_size = (uint32_t)sizeof blank;                                                          \
        return blank;                                                                                        \
    }
DUNLIN_BLANK_OF(DunlinOutcome)
DUNLIN_BLANK_OF(DunlinGrant)
DUNLIN_BLANK_OF(DunlinConnectPatch)
DUNLIN_BLANK_OF(DunlinConnackPatch)
DUNLIN_BLANK_OF(DunlinPublishPatch)
DUNLIN_BLANK_OF(DunlinDeliverPatch)
DUNLIN_BLANK_OF(DunlinWillPatch)
DUNLIN_BLANK_OF(DunlinRouted)
DUNLIN_BLANK_OF(DunlinControlled)
DUNLIN_BLANK_OF(DunlinNewMessage)
DUNLIN_BLANK_OF(DunlinProperties)
DUNLIN_BLANK_OF(DunlinConnectWill)
DUNLIN_BLANK_OF(DunlinFilter)
DUNLIN_BLANK_OF(DunlinDeclaration)
DUNLIN_BLANK_OF(DunlinVTable)

// A text as a slice.
static inline DunlinSlice dunlin_text(const char *text) {
    DunlinSlice slice;
    slice.ptr = (const uint8_t *)text;
    slice.len = text ? strlen(text) : 0;
    return slice;
}

// Whether a slice is this text. No value is no text.
static inline int dunlin_is(DunlinSlice slice, const char *text) {
    return slice.ptr && slice.len == strlen(text) && memcmp(slice.ptr, text, slice.len) == 0;
}

// A number that is there.
static inline DunlinOptInt dunlin_int(int64_t value) {
    DunlinOptInt some;
    some.present = 1;
    some.reserved = 0;
    some.value = value;
    return some;
}

// The bit of a hook in a set of hooks.
#define DUNLIN_BIT(hook) ((uint64_t)1 << (hook))

// Says, in a section of the file, what the plugin is, so that a broker knows before any of its code runs. Optional; at the top level of a
// file:  DUNLIN_ABOUT("name", "1.0.0")
#if defined(__ELF__) && defined(__GNUC__)
#define DUNLIN_ABOUT(name, version)                                                                          \
    extern const char dunlin_about[];                                                                        \
    __attribute__((used, visibility("hidden"), section(".dunlin.plugin"))) const char dunlin_about[] =       \
        "abi=1.1\nname=" name "\nversion=" version "\n";
#else
#define DUNLIN_ABOUT(name, version)
#endif

// The entry. Write it as:  DUNLIN_EXPORT const DunlinDeclaration *dunlin_plugin_v1(void) { ... }
#if defined(__GNUC__)
#define DUNLIN_VISIBLE __attribute__((visibility("default")))
#else
#define DUNLIN_VISIBLE
#endif
#ifdef __cplusplus
#define DUNLIN_EXPORT extern "C" DUNLIN_VISIBLE
extern "C" {
#else
#define DUNLIN_EXPORT DUNLIN_VISIBLE
#endif
DUNLIN_VISIBLE const DunlinDeclaration *dunlin_plugin_v1(void);
#ifdef __cplusplus
}
#endif
