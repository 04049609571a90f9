/* XA RECOVER; see xa.h. A name is made of the four fields of its rows: format, two lengths, and both parts of
 * the name as bytes. */
#include "proxy/migration/xa.h"

#include "protocol/packet.h"

enum { FIELDS = 4 };

bool xa_list(struct db *d, struct buf *out)
{
    struct db_result rows;
    const db_field *row;
    if (!db_query(d, SPAN("XA RECOVER"), &rows))
        return false;
    while (rows.columns == FIELDS && (row = db_next(&rows)))
        for (size_t i = 0; i < FIELDS; i++)
            add_lenenc_str(out, row[i]);
    db_end(&rows);
    return !buf_failed(out);
}

/* One name: its fields as they were put there. */
static struct span next_name(struct reader *r)
{
    const char *begin = (const char *)r->p;
    for (size_t i = 0; i < FIELDS; i++)
        read_lenenc_str(r);
    return (struct span){begin, (size_t)((const char *)r->p - begin)};
}

static bool has(struct span names, struct span name)
{
    struct reader r = reader_of(names);
    while (reader_left(&r) > 0)
        if (span_eq(next_name(&r), name))
            return true;
    return false;
}

size_t xa_left(struct db *d, const struct buf *names)
{
    struct buf now = BUF_INIT;
    bool told = xa_list(d, &now);
    struct reader r = reader_of(buf_span(names));
    size_t left = 0;
    while (reader_left(&r) > 0) {
        struct span name = next_name(&r);
        left += !told || has(buf_span(&now), name);
    }
    buf_free(&now);
    return left;
}
