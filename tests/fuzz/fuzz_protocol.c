/* The protocol floor against any bytes. The first byte chooses what is tried, the next ones its parameters.
 *
 * Held: the tracker sees the same in any pieces, and takes every byte once; what was masked or stripped is
 * parsed as before but for that; parameters put together twice are the same as once. */
#include <stdlib.h>

#include "protocol/attributes.h"
#include "protocol/execute.h"
#include "protocol/handshake.h"
#include "protocol/ok.h"
#include "protocol/proxy_header.h"
#include "protocol/tracker.h"

#define DECISIONS 256

#define HOLD(condition)                                                                                      \
    do {                                                                                                     \
        if (!(condition))                                                                                    \
            abort();                                                                                         \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What an answer came to. */
struct outcome {
    unsigned char kinds[DECISIONS];
    size_t count, taken;
    bool ended, broken;
};

/* Gives the bytes in pieces of at most `step`; what was not taken stays before the next piece. */
static void track(const uint8_t *data, size_t size, enum answer answer, uint64_t capabilities, size_t step,
                  struct outcome *out)
{
    struct tracker t;
    tracker_begin(&t, answer, capabilities);
    *out = (struct outcome){.count = 0};
    size_t given = 0;
    while (!out->ended && !out->broken && (given < size || out->taken < given)) {
        given = size - given < step ? size : given + step;
        for (;;) {
            size_t used;
            enum track_event ev = tracker_feed(&t, data + out->taken, given - out->taken, &used);
            HOLD(used <= given - out->taken);
            HOLD(used > 0 || ev == TRACK_MORE || ev == TRACK_BROKEN);
            out->taken += used;
            if ((ev == TRACK_PACKET || ev == TRACK_END) && out->count < DECISIONS)
                out->kinds[out->count++] = (unsigned char)t.kind;
            out->ended = ev == TRACK_END;
            out->broken = ev == TRACK_BROKEN;
            if (out->ended || out->broken || ev == TRACK_MORE || out->taken == given)
                break;
        }
        if (given == size)
            break;
    }
}

static void try_tracker(const uint8_t *data, size_t size)
{
    if (size < 3)
        return;
    enum answer answer = (enum answer)(data[0] % (ANSWER_AUTH + 1));
    uint64_t capabilities =
        (data[1] & 1 ? CLIENT_DEPRECATE_EOF : 0) | (data[1] & 2 ? MARIADB_CLIENT_CACHE_METADATA : 0);
    struct outcome whole, pieces;
    track(data + 3, size - 3, answer, capabilities, size, &whole);
    track(data + 3, size - 3, answer, capabilities, data[2] % 7 + 1u, &pieces);
    HOLD(whole.ended == pieces.ended && whole.broken == pieces.broken && whole.count == pieces.count);
    HOLD(memcmp(whole.kinds, pieces.kinds, whole.count) == 0);
    HOLD(!whole.ended || whole.taken == pieces.taken);
}

static void try_greeting(const uint8_t *data, size_t size)
{
    struct greeting before, after;
    if (!greeting_parse((struct span){(const char *)data, size}, &before))
        return;
    char *copy = malloc(size);
    HOLD(copy);
    memcpy(copy, data, size);
    uint64_t keep = ~(CLIENT_SSL | CLIENT_COMPRESS | MARIADB_CLIENT_CACHE_METADATA);
    greeting_mask(copy, size, keep, 0);
    HOLD(greeting_parse((struct span){copy, size}, &after));
    HOLD(after.capabilities == (before.capabilities & keep));
    HOLD(after.connection_id == before.connection_id && span_eq(after.version, before.version));
    free(copy);
}

static bool inside(struct span part, struct span whole)
{
    return part.len == 0 || (part.ptr >= whole.ptr && part.ptr + part.len <= whole.ptr + whole.len);
}

static void try_login(const uint8_t *data, size_t size)
{
    struct span payload = {(const char *)data, size};
    struct login l;
    if (login_parse(payload, 0, &l) ||
        change_user_parse(payload, CLIENT_SECURE_CONNECTION | CLIENT_CONNECT_ATTRS | CLIENT_PLUGIN_AUTH,
                          &l)) {
        HOLD(inside(l.user, payload) && inside(l.database, payload) && inside(l.program, payload));
    }
}

static void try_ok(const uint8_t *data, size_t size)
{
    if (size < PACKET_HEADER + 1 || size > 1 << 20)
        return;
    struct span packet = {(const char *)data, size};
    struct state_iter it =
        state_iter_of(ok_state((struct span){packet.ptr + PACKET_HEADER, size - PACKET_HEADER}));
    struct state_item item;
    while (state_next(&it, &item))
        HOLD(inside(item.name, packet) && inside(item.value, packet));
    struct buf out = BUF_INIT;
    ok_without_state(packet, &out);
    HOLD(buf_len(&out) <= size);
    struct span stripped = {buf_ptr(&out) + PACKET_HEADER, buf_len(&out) - PACKET_HEADER};
    HOLD(ok_state(stripped).len == 0);
    buf_free(&out);
}

typedef enum execute_outcome execute_builder(struct span, const struct execute_map *, struct buf *);

static void try_execute(const uint8_t *data, size_t size, execute_builder *build)
{
    static const uint32_t map[] = {0, 0, 1};
    static const unsigned char types[] = {0x03, 0, 0xfd, 0};
    if (size < 2)
        return;
    struct execute_map once = {.id = 7,
                               .params = 2,
                               .out_params = data[0] & 1 ? 3 : 2,
                               .map = data[0] & 1 ? map : NULL,
                               .types = data[0] & 2 ? types : NULL};
    struct execute_map again = {.id = 7, .params = once.out_params, .out_params = once.out_params};
    struct span payload = {(const char *)data + 1, size - 1};
    struct buf first = BUF_INIT, second = BUF_INIT;
    if (build(payload, &once, &first) == EXECUTE_BUILT) {
        HOLD(build(buf_span(&first), &again, &second) == EXECUTE_BUILT);
        HOLD(span_eq(buf_span(&first), buf_span(&second)));
    }
    buf_free(&first);
    buf_free(&second);
}

/* What can be put together anew has the types that were found in its head. */
static void try_named(const uint8_t *data, size_t size)
{
    struct buf types = BUF_INIT;
    try_execute(data, size, named_build);
    if (size > 1) {
        struct span payload = {(const char *)data + 1, size - 1};
        bool there = named_head_size(payload, 2) <= payload.len;
        HOLD(there || !named_types(payload, 2, &types));
    }
    buf_free(&types);
}

static void try_logical(const uint8_t *data, size_t size)
{
    size_t parts, n = logical_size(data, size, &parts);
    HOLD(n == 0 || n >= PACKET_HEADER);
    HOLD(parts == 1 || size > PACKET_MAX);
}

/* Whatever the pieces, the same verdict; what was read is said again so that it is read as the same. */
static void try_proxy_header(const uint8_t *data, size_t size)
{
    struct proxy_addresses a, b;
    size_t used, again;
    enum proxy_verdict verdict = PROXY_MORE;
    for (size_t n = 0; n <= size && verdict == PROXY_MORE; n++)
        verdict = proxy_header_parse((struct span){(const char *)data, n}, &a, &used);
    HOLD(proxy_header_parse((struct span){(const char *)data, size}, &b, &again) == verdict);
    if (verdict != PROXY_HEADER)
        return;
    HOLD(used == again && used <= size && used <= PROXY_HEADER_MAX);
    for (unsigned version = 1; version <= 2; version++) {
        struct buf built = BUF_INIT;
        proxy_header_build(&built, version, &a);
        HOLD(proxy_header_parse(buf_span(&built), &b, &again) == PROXY_HEADER && again == buf_len(&built));
        HOLD(b.family == (a.family == PROXY_UNIX ? PROXY_LOCAL : a.family));
        HOLD(memcmp(a.source, b.source, sizeof a.source) == 0 && a.source_port == b.source_port);
        HOLD(memcmp(a.destination, b.destination, sizeof a.destination) == 0);
        buf_free(&built);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    switch (data[0] % 10) {
    case 0:
        try_tracker(data + 1, size - 1);
        break;
    case 1:
        try_greeting(data + 1, size - 1);
        break;
    case 2:
        try_login(data + 1, size - 1);
        break;
    case 3:
        try_ok(data + 1, size - 1);
        break;
    case 4:
    case 5:
        try_execute(data + 1, size - 1, data[0] % 10 == 5 ? bulk_build : execute_build);
        break;
    case 6:
        try_proxy_header(data + 1, size - 1);
        break;
    case 8:
        try_named(data + 1, size - 1);
        break;
    case 9:
        HOLD(attributes_end((struct span){(const char *)data + 1, size - 1}) <= size - 1);
        break;
    default:
        try_logical(data + 1, size - 1);
        break;
    }
    return 0;
}
