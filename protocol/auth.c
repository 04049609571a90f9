/* Authentication plugins; see auth.h. */
#include "protocol/auth.h"

enum { AUTH_SWITCH = 0xfe, AUTH_NEXT_FACTOR = 0x02, AUTH_MORE = 0x01, FAST_DONE = 3, WANTS_PASSWORD = 4 };

enum auth_plugin auth_plugin_of(struct span name)
{
    static const struct {
        struct span name;
        enum auth_plugin plugin;
    } table[] = {
        {{"caching_sha2_password", 21}, AUTH_CACHING_SHA2},
        {{"sha256_password", 15}, AUTH_SHA256},
        {{"mysql_clear_password", 20}, AUTH_CLEAR},
        {{"dialog", 6}, AUTH_CLEAR},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        if (span_eq(name, table[i].name))
            return table[i].plugin;
    return AUTH_PROOF;
}

bool auth_request_parse(struct span payload, uint64_t capabilities, struct auth_request *out)
{
    struct reader r = reader_of(payload);
    uint32_t first = read_u8(&r);
    bool factor = first == AUTH_NEXT_FACTOR && (capabilities & CLIENT_MULTI_FACTOR);
    if ((first != AUTH_SWITCH && !factor) || reader_left(&r) == 0)
        return false;
    out->plugin = read_nul_str(&r);
    if (r.failed)
        return false;
    size_t left = reader_left(&r);
    out->salt = read_bytes(&r, left < AUTH_SALT_SIZE ? left : AUTH_SALT_SIZE);
    return true;
}

static bool says(struct span payload, char what)
{
    return payload.len == 2 && payload.ptr[0] == AUTH_MORE && payload.ptr[1] == what;
}

bool auth_fast_done(struct span payload)
{
    return says(payload, FAST_DONE);
}

bool auth_wants_password(struct span payload)
{
    return says(payload, WANTS_PASSWORD);
}
