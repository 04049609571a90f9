/* The packets of connecting; see handshake.h. */
#include "protocol/handshake.h"

/* Where capabilities stand in a greeting, counted from the NUL behind the version. */
enum {
    GREETING_CAPS_LOW = 14,
    GREETING_CAPS_HIGH = 19,
    GREETING_CAPS_EXTENDED = 28,
    GREETING_MIN = 32,
    GREETING_SALT = 8
};

/* And in a handshake response, counted from its start. */
enum { LOGIN_CAPS_EXTENDED = 28, LOGIN_FIXED = 32 };

/* "5.5.5-10.11.19-MariaDB-…" → 101119. */
static uint32_t version_number_of(struct span v)
{
    static const struct span prefix = {"5.5.5-", 6};
    if (v.len > prefix.len && memcmp(v.ptr, prefix.ptr, prefix.len) == 0)
        v = (struct span){v.ptr + prefix.len, v.len - prefix.len};
    uint32_t parts[3] = {0, 0, 0};
    size_t n = 0;
    for (size_t i = 0; i < v.len && n < 3; i++) {
        if (v.ptr[i] >= '0' && v.ptr[i] <= '9')
            parts[n] = (parts[n] * 10 + (uint32_t)(v.ptr[i] - '0')) % 1000;
        else if (v.ptr[i] == '.')
            n++;
        else
            break;
    }
    return parts[0] * 10000 + parts[1] * 100 + parts[2];
}

static bool contains(struct span text, struct span what)
{
    for (size_t i = 0; i + what.len <= text.len; i++)
        if (memcmp(text.ptr + i, what.ptr, what.len) == 0)
            return true;
    return false;
}

bool greeting_parse(struct span payload, struct greeting *out)
{
    struct reader r = reader_of(payload);
    if (read_u8(&r) != 10)
        return false;
    out->version = read_nul_str(&r);
    if (r.failed)
        return false;
    const unsigned char *nul = r.p - 1;
    struct span fixed = read_bytes(&r, GREETING_MIN - 1);
    if (r.failed)
        return false;
    out->connection_id = get_u32(fixed.ptr);
    memset(out->salt, 0, sizeof out->salt);
    memcpy(out->salt, fixed.ptr + 4, GREETING_SALT);
    struct span rest = read_bytes(&r, AUTH_SALT_SIZE - GREETING_SALT); /* before 4.1 there was none */
    memcpy(out->salt + GREETING_SALT, rest.ptr, rest.len);
    out->capabilities = get_u16(nul + GREETING_CAPS_LOW) | (uint64_t)get_u16(nul + GREETING_CAPS_HIGH) << 16;
    out->status = get_u16(nul + GREETING_CAPS_LOW + 3);
    if (!(out->capabilities & CLIENT_MYSQL))
        out->capabilities |= (uint64_t)get_u32(nul + GREETING_CAPS_EXTENDED) << 32;
    out->mariadb = !(out->capabilities & CLIENT_MYSQL) || contains(out->version, SPAN("MariaDB"));
    out->version_number = version_number_of(out->version);
    return true;
}

void greeting_mask(char *payload, size_t len, uint64_t keep, uint64_t add)
{
    char *nul = memchr(payload + 1, 0, len - 1);
    uint64_t low = (get_u16(nul + GREETING_CAPS_LOW) & keep) | (add & 0xffff);
    uint64_t high = (get_u16(nul + GREETING_CAPS_HIGH) & (keep >> 16)) | (add >> 16 & 0xffff);
    bool extended = !(get_u16(nul + GREETING_CAPS_LOW) & CLIENT_MYSQL);
    put_u16(nul + GREETING_CAPS_LOW, (uint32_t)low);
    put_u16(nul + GREETING_CAPS_HIGH, (uint32_t)high);
    if (extended)
        put_u32(nul + GREETING_CAPS_EXTENDED, get_u32(nul + GREETING_CAPS_EXTENDED) & (uint32_t)(keep >> 32));
}

/* The value of `program_name` among the connection attributes. */
static struct span program_of(struct span attributes)
{
    struct reader r = reader_of(attributes);
    while (!r.failed && reader_left(&r) > 0) {
        struct span key = read_lenenc_str(&r);
        struct span value = read_lenenc_str(&r);
        if (!r.failed && span_eq(key, SPAN("program_name")))
            return value;
    }
    return SPAN("");
}

/* What a handshake response and COM_CHANGE_USER end with. Old clients leave parts out: what is missing is
 * empty, and no failure, as the server takes it too. */
static void tail_parse(struct reader *r, uint64_t capabilities, struct login *out)
{
    if ((capabilities & CLIENT_PLUGIN_AUTH) && reader_left(r) > 0) {
        struct span name = read_nul_str(r);
        if (!r->failed)
            out->plugin = (struct span){name.ptr, name.len + 1};
    }
    if ((capabilities & CLIENT_CONNECT_ATTRS) && !r->failed && reader_left(r) > 0)
        out->program = program_of(read_lenenc_str(r));
    if ((capabilities & CLIENT_ZSTD) && !r->failed && reader_left(r) > 0)
        out->zstd_level = read_u8(r);
}

static const struct login login_empty = {
    .user = {"", 0}, .database = {"", 0}, .program = {"", 0}, .proof = {"", 0}, .plugin = {"", 0}};

bool is_tls_request(struct span payload)
{
    uint64_t both = CLIENT_PROTOCOL_41 | CLIENT_SSL;
    return payload.len == TLS_REQUEST_SIZE && (get_u32(payload.ptr) & both) == both;
}

bool login_parse(struct span payload, uint64_t server, struct login *out)
{
    *out = login_empty;
    struct reader r = reader_of(payload);
    struct span fixed = read_bytes(&r, LOGIN_FIXED);
    if (r.failed)
        return false;
    out->capabilities = get_u32(fixed.ptr);
    if (!(out->capabilities & CLIENT_PROTOCOL_41))
        return false;
    if (!(server & CLIENT_MYSQL) && !(out->capabilities & CLIENT_MYSQL))
        out->capabilities |= (uint64_t)get_u32(fixed.ptr + LOGIN_CAPS_EXTENDED) << 32;
    out->collation = (unsigned char)fixed.ptr[8];
    out->user = read_nul_str(&r);
    const unsigned char *proof = r.p;
    if (out->capabilities & CLIENT_PLUGIN_AUTH_LENENC)
        read_lenenc_str(&r);
    else if (out->capabilities & CLIENT_SECURE_CONNECTION)
        read_bytes(&r, read_u8(&r));
    else
        read_nul_str(&r);
    if (r.failed)
        return false;
    out->proof = (struct span){(const char *)proof, (size_t)(r.p - proof)};
    if ((out->capabilities & CLIENT_CONNECT_WITH_DB) && reader_left(&r) > 0)
        out->database = read_nul_str(&r);
    tail_parse(&r, out->capabilities, out);
    return true;
}

void login_set_capabilities(char *payload, size_t len, uint64_t capabilities, uint64_t server)
{
    if (len < LOGIN_FIXED)
        return;
    put_u32(payload, (uint32_t)capabilities);
    if (!(server & CLIENT_MYSQL) && !(capabilities & CLIENT_MYSQL))
        put_u32(payload + LOGIN_CAPS_EXTENDED, (uint32_t)(capabilities >> 32));
}

struct span login_plugin(const struct login *l)
{
    return (struct span){l->plugin.ptr, l->plugin.len ? l->plugin.len - 1 : 0};
}

void login_withhold(struct span payload, const struct login *l, struct buf *out)
{
    const char *end = payload.ptr + payload.len, *behind_proof = l->proof.ptr + l->proof.len,
               *behind_plugin = l->plugin.ptr + l->plugin.len;
    buf_add(out, payload.ptr, (size_t)(l->proof.ptr - payload.ptr));
    buf_add_byte(out, 0); /* an empty proof in each of its forms */
    buf_add(out, behind_proof, (size_t)(l->plugin.ptr - behind_proof));
    buf_add(out, "none", sizeof "none");
    buf_add(out, behind_plugin, (size_t)(end - behind_plugin));
}

bool change_user_parse(struct span payload, uint64_t capabilities, struct login *out)
{
    *out = login_empty;
    out->capabilities = capabilities;
    struct reader r = reader_of(payload);
    read_u8(&r);
    out->user = read_nul_str(&r);
    const unsigned char *proof = r.p;
    if (capabilities & CLIENT_SECURE_CONNECTION)
        read_bytes(&r, read_u8(&r));
    else
        read_nul_str(&r);
    out->proof = (struct span){(const char *)proof, (size_t)(r.p - proof)};
    out->database = read_nul_str(&r);
    if (r.failed)
        return false;
    if (reader_left(&r) >= 2)
        out->collation = read_u16(&r);
    tail_parse(&r, capabilities, out);
    return true;
}
