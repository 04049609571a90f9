/* OK packets with their session state; see ok.h. */
#include "protocol/ok.h"

/* Reads up to the status flags, which *status then points at, and up to the info text. */
static struct reader ok_head(struct span payload, const unsigned char **status)
{
    struct reader r = reader_of(payload);
    read_u8(&r);
    read_lenenc(&r);
    read_lenenc(&r);
    *status = r.p;
    read_u16(&r);
    read_u16(&r);
    return r;
}

struct span ok_state(struct span payload)
{
    const unsigned char *status;
    struct reader r = ok_head(payload, &status);
    if (r.failed || !(get_u16(status) & STATUS_SESSION_STATE))
        return SPAN("");
    read_lenenc_str(&r);
    struct span state = read_lenenc_str(&r);
    return r.failed ? SPAN("") : state;
}

struct state_iter state_iter_of(struct span state)
{
    return (struct state_iter){.items = reader_of(state), .inside = reader_of(SPAN(""))};
}

bool state_next(struct state_iter *it, struct state_item *out)
{
    out->name = SPAN("");
    if (reader_left(&it->inside) == 0) {
        if (it->items.failed || reader_left(&it->items) == 0)
            return false;
        uint32_t type = read_u8(&it->items);
        struct span data = read_lenenc_str(&it->items);
        if (it->items.failed)
            return false;
        out->type = type == STATE_SCHEMA ? STATE_SCHEMA : STATE_OTHER;
        out->value = data;
        if (type == STATE_SCHEMA) {
            struct reader r = reader_of(data);
            out->value = read_lenenc_str(&r);
            return !r.failed;
        }
        if (type != STATE_VARIABLE || data.len == 0)
            return true;
        it->inside = reader_of(data); /* MariaDB puts several variables into one item */
    }
    out->type = STATE_VARIABLE;
    out->name = read_lenenc_str(&it->inside);
    out->value = read_lenenc_str(&it->inside);
    return !it->inside.failed;
}

void ok_without_state(struct span packet, struct buf *out)
{
    struct span payload = {packet.ptr + PACKET_HEADER, packet.len - PACKET_HEADER};
    const unsigned char *status;
    struct reader r = ok_head(payload, &status);
    if (r.failed || !(get_u16(status) & STATUS_SESSION_STATE)) {
        buf_add_span(out, packet);
        return;
    }
    const char *info = (const char *)r.p;
    struct span text = read_lenenc_str(&r);
    size_t head = (size_t)(info - payload.ptr);
    size_t flags = (size_t)((const char *)status - payload.ptr);
    size_t begin = packet_begin(out);
    buf_add(out, payload.ptr, head);
    if (!r.failed && text.len > 0)
        add_lenenc_str(out, text);
    packet_end(out, begin, (uint8_t)packet.ptr[3]);
    if (!buf_failed(out)) {
        char *p = buf_ptr(out) + begin + PACKET_HEADER + flags;
        put_u16(p, get_u16(p) & ~(uint32_t)STATUS_SESSION_STATE);
    }
}
