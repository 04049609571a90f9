/* The response tracker; see tracker.h.
 *
 *   ANSWER_RESULTS:  FIRST ─┬─ OK, ERR ──────────────────────────────▶ end, or FIRST again (more results)
 *                           ├─ 0xfb ─▶ INFILE ─ file sent ─▶ FIRST
 *                           └─ count ─▶ DEFS ─▶ DEFS_EOF ─▶ ROWS ────▶ end, or FIRST again
 *   ANSWER_PREPARE:  PREPARED ─▶ PARAMS ─▶ PARAMS_EOF ─▶ COLUMNS ─▶ COLUMNS_EOF ─▶ end */
#include "protocol/tracker.h"

enum step {
    STEP_FIRST,
    STEP_DEFS,
    STEP_DEFS_EOF,
    STEP_ROWS,
    STEP_INFILE, /* waits for the client; the server may still refuse */
    STEP_PREPARED,
    STEP_PARAMS,
    STEP_PARAMS_EOF,
    STEP_COLUMNS,
    STEP_COLUMNS_EOF,
    STEP_OK,
    STEP_STRING,
    STEP_AUTH,
    STEP_DONE,
};

#define ERROR_PROGRESS 0xffff /* the error code that marks a progress report */

static const uint8_t answers[256] = {
    [COM_QUIT] = ANSWER_NONE,
    [COM_QUERY] = ANSWER_RESULTS,
    [COM_FIELD_LIST] = ANSWER_FIELDS,
    [COM_STATISTICS] = ANSWER_STRING,
    [COM_PROCESS_INFO] = ANSWER_RESULTS,
    [COM_CHANGE_USER] = ANSWER_AUTH,
    [COM_BINLOG_DUMP] = ANSWER_STREAM,
    [COM_TABLE_DUMP] = ANSWER_STREAM,
    [COM_STMT_PREPARE] = ANSWER_PREPARE,
    [COM_STMT_EXECUTE] = ANSWER_RESULTS,
    [COM_STMT_SEND_LONG_DATA] = ANSWER_NONE,
    [COM_STMT_CLOSE] = ANSWER_NONE,
    [COM_STMT_FETCH] = ANSWER_ROWS,
    [COM_BINLOG_DUMP_GTID] = ANSWER_STREAM,
    [COM_CLONE] = ANSWER_STREAM,
    [COM_STMT_BULK_EXECUTE] = ANSWER_RESULTS,
};

enum answer answer_of(uint8_t command)
{
    return (enum answer)answers[command];
}

void tracker_begin(struct tracker *t, enum answer answer, uint64_t capabilities)
{
    static const uint8_t first[] = {
        [ANSWER_NONE] = STEP_DONE,        [ANSWER_OK] = STEP_OK,       [ANSWER_RESULTS] = STEP_FIRST,
        [ANSWER_PREPARE] = STEP_PREPARED, [ANSWER_ROWS] = STEP_ROWS,   [ANSWER_FIELDS] = STEP_ROWS,
        [ANSWER_STRING] = STEP_STRING,    [ANSWER_STREAM] = STEP_ROWS, [ANSWER_AUTH] = STEP_AUTH,
        [ANSWER_CURSOR] = STEP_FIRST,
    };
    *t = (struct tracker){.capabilities = capabilities, .answer = answer, .step = first[answer]};
}

void tracker_infile_sent(struct tracker *t)
{
    if (t->step == STEP_INFILE)
        t->step = STEP_FIRST;
}

static bool deprecate_eof(const struct tracker *t)
{
    return t->capabilities & CLIENT_DEPRECATE_EOF;
}

/* An OK packet's status flags; the header byte may be 0x00 or 0xfe. */
static bool read_ok(struct tracker *t, struct span p)
{
    struct reader r = reader_of(p);
    read_u8(&r);
    read_lenenc(&r);
    read_lenenc(&r);
    uint32_t status = read_u16(&r);
    if (r.failed)
        return false;
    t->kind = KIND_OK;
    t->status = (uint16_t)status;
    return true;
}

static bool read_eof(struct tracker *t, struct span p)
{
    if (p.len < 5)
        return p.len == 1 && ((void)(t->kind = KIND_EOF), true);
    t->kind = KIND_EOF;
    t->status = (uint16_t)get_u16(p.ptr + 3);
    return true;
}

static void read_err(struct tracker *t, struct span p)
{
    t->error = p.len >= 3 ? (uint16_t)get_u16(p.ptr + 1) : 0;
    t->kind = t->error == ERROR_PROGRESS ? KIND_PROGRESS : KIND_ERR;
}

static enum track_event ended(struct tracker *t)
{
    t->step = STEP_DONE;
    return TRACK_END;
}

/* After a statement's OK, or the end of its rows. */
static enum track_event result_ended(struct tracker *t)
{
    bool may_follow = t->answer == ANSWER_RESULTS || t->answer == ANSWER_CURSOR;
    if (!may_follow || !(t->status & STATUS_MORE_RESULTS))
        return ended(t);
    t->step = STEP_FIRST;
    t->results++;
    return TRACK_PACKET;
}

static enum track_event on_err(struct tracker *t, struct span p)
{
    read_err(t, p);
    return t->kind == KIND_PROGRESS ? TRACK_PACKET : ended(t);
}

static enum step after_defs(const struct tracker *t)
{
    return deprecate_eof(t) ? STEP_ROWS : STEP_DEFS_EOF;
}

/* A column count: int<lenenc>, and behind it one byte that tells whether definitions follow, where that was
 * agreed on. (MySQL's way of leaving them out, CLIENT_OPTIONAL_METADATA, is never agreed on.) */
static enum track_event on_columns(struct tracker *t, struct span p)
{
    struct reader r = reader_of(p);
    bool follow = true;
    uint64_t count = read_lenenc(&r);
    if ((t->capabilities & MARIADB_CLIENT_CACHE_METADATA) && reader_left(&r) > 0)
        follow = read_u8(&r) != 0;
    if (r.failed || count == 0 || count > UINT32_MAX)
        return TRACK_BROKEN;
    t->kind = KIND_COLUMNS;
    t->columns = (uint32_t)count;
    t->count = follow ? count : 0;
    t->rows_began = true;
    t->step = follow ? STEP_DEFS : after_defs(t);
    return TRACK_PACKET;
}

static enum track_event on_first(struct tracker *t, struct span p)
{
    unsigned char c = p.len ? (unsigned char)p.ptr[0] : 0xff;
    if (c == 0xff)
        return on_err(t, p);
    if (c == 0xfb) {
        t->kind = KIND_INFILE;
        t->step = STEP_INFILE;
        return TRACK_PACKET;
    }
    if (c != 0)
        return on_columns(t, p);
    return read_ok(t, p) ? result_ended(t) : TRACK_BROKEN;
}

/* The next step of PREPARE's answer, leaving out what will not come. */
static enum track_event prepare_next(struct tracker *t, enum step done)
{
    if (done < STEP_PARAMS && t->params > 0) {
        t->count = t->params;
        t->step = STEP_PARAMS;
    } else if (done < STEP_PARAMS_EOF && t->params > 0 && !deprecate_eof(t)) {
        t->step = STEP_PARAMS_EOF;
    } else if (done < STEP_COLUMNS && t->columns_after > 0) {
        t->count = t->columns_after;
        t->step = STEP_COLUMNS;
    } else if (done < STEP_COLUMNS_EOF && t->columns_after > 0 && !deprecate_eof(t)) {
        t->step = STEP_COLUMNS_EOF;
    } else {
        return ended(t);
    }
    return TRACK_PACKET;
}

static enum track_event on_prepared(struct tracker *t, struct span p)
{
    if (p.len == 0 || (unsigned char)p.ptr[0] == 0xff)
        return on_err(t, p);
    if (p.ptr[0] != 0 || p.len < 9)
        return TRACK_BROKEN;
    t->kind = KIND_PREPARED;
    t->stmt_id = get_u32(p.ptr + 1);
    t->columns = t->columns_after = get_u16(p.ptr + 5);
    t->params = (uint16_t)get_u16(p.ptr + 7);
    return prepare_next(t, STEP_PREPARED);
}

static enum track_event on_rows_end(struct tracker *t, struct span p)
{
    if ((unsigned char)p.ptr[0] == 0xff)
        return on_err(t, p);
    bool ok = deprecate_eof(t) && t->answer != ANSWER_STREAM && p.len >= 7;
    if (!(ok ? read_ok(t, p) : read_eof(t, p)))
        return TRACK_BROKEN;
    return result_ended(t);
}

/* Whether the rows are fetched later. The flag alone does not say so: a cursor that is open inside of a
 * compound statement or a routine sets it too, in every result that the program sends. */
static bool cursor_opened(const struct tracker *t)
{
    return t->answer == ANSWER_CURSOR &&
           (t->status & (STATUS_CURSOR_EXISTS | STATUS_MORE_RESULTS)) == STATUS_CURSOR_EXISTS;
}

static enum track_event on_eof(struct tracker *t, struct span p)
{
    if (p.len == 0 || (unsigned char)p.ptr[0] == 0xff)
        return on_err(t, p);
    if ((unsigned char)p.ptr[0] != 0xfe || !read_eof(t, p))
        return TRACK_BROKEN;
    if (t->step != STEP_DEFS_EOF)
        return prepare_next(t, t->step);
    if (cursor_opened(t))
        return ended(t);
    t->step = STEP_ROWS;
    return TRACK_PACKET;
}

static enum track_event on_ok(struct tracker *t, struct span p)
{
    unsigned char c = p.len ? (unsigned char)p.ptr[0] : 0xff;
    if (c == 0xff)
        return on_err(t, p);
    bool good = c == 0xfe && p.len < 7 ? read_eof(t, p) : (c == 0 || c == 0xfe) && read_ok(t, p);
    return good ? ended(t) : TRACK_BROKEN;
}

static enum track_event on_auth(struct tracker *t, struct span p)
{
    unsigned char c = p.len ? (unsigned char)p.ptr[0] : 1;
    if (c == 0xff)
        return on_err(t, p);
    if (c == 0)
        return read_ok(t, p) ? ended(t) : TRACK_BROKEN;
    t->kind = KIND_DATA;
    return TRACK_PACKET;
}

static enum track_event on_data(struct tracker *t)
{
    t->kind = KIND_DATA;
    return TRACK_PACKET;
}

static enum track_event count_definition(struct tracker *t);

static enum track_event on_definition(struct tracker *t)
{
    t->kind = KIND_DEFINITION;
    t->definition = t->columns - (uint32_t)t->count;
    return count_definition(t);
}

/* A whole packet that decides something. */
static enum track_event on_packet(struct tracker *t, struct span p)
{
    switch ((enum step)t->step) {
    case STEP_FIRST:
        return on_first(t, p);
    case STEP_INFILE: /* before the file was sent there may be an error, or a report of progress */
        return p.len > 0 && (unsigned char)p.ptr[0] == 0xff ? on_err(t, p) : TRACK_BROKEN;
    case STEP_DEFS_EOF:
    case STEP_PARAMS_EOF:
    case STEP_COLUMNS_EOF:
        return on_eof(t, p);
    case STEP_ROWS:
        return on_rows_end(t, p);
    case STEP_DEFS:
    case STEP_COLUMNS:
        return on_definition(t);
    case STEP_PREPARED:
        return on_prepared(t, p);
    case STEP_OK:
        return on_ok(t, p);
    case STEP_AUTH:
        return on_auth(t, p);
    case STEP_STRING:
        if (p.len > 0 && (unsigned char)p.ptr[0] == 0xff)
            return on_err(t, p);
        on_data(t);
        return ended(t);
    default:
        return TRACK_BROKEN;
    }
}

/* Whether the packet with this length and first byte is one that passes unseen. */
static bool passes(const struct tracker *t, uint32_t n, unsigned char first)
{
    switch ((enum step)t->step) {
    case STEP_DEFS:
    case STEP_COLUMNS:
        return !t->definitions;
    case STEP_PARAMS:
        return true;
    case STEP_ROWS:
        if (n == 0 || first == 0xff)
            return n == 0;
        if (first != 0xfe)
            return true;
        /* A text row may begin with 0xfe, when its first value is 16 MiB or more; an event or a definition
         * never does. A binary row never does either. */
        return deprecate_eof(t) && t->answer != ANSWER_STREAM ? n == PACKET_MAX : n >= 9;
    default:
        return false;
    }
}

/* One definition has passed. */
static enum track_event count_definition(struct tracker *t)
{
    if (t->step != STEP_DEFS && t->step != STEP_PARAMS && t->step != STEP_COLUMNS)
        return TRACK_PACKET;
    if (--t->count > 0)
        return TRACK_PACKET;
    if (t->step != STEP_DEFS)
        return prepare_next(t, t->step);
    t->step = after_defs(t);
    return TRACK_PACKET;
}

/* The length of the rows at `p` that are whole and plain: a large result is made of them, so as little as can
 * be is done for each. */
static size_t plain_rows(const unsigned char *p, size_t len)
{
    size_t off = 0;
    while (len - off > PACKET_HEADER) {
        uint32_t n = get_u32(p + off) & PACKET_MAX; /* the header in one load */
        if (n == 0 || n == PACKET_MAX || n > len - off - PACKET_HEADER || p[off + PACKET_HEADER] >= 0xfe)
            break;
        off += PACKET_HEADER + n;
    }
    return off;
}

/* Consumes packets that pass unseen, as many as there are; in whole mode one. TRACK_END when an answer ends
 * with one (a PREPARE's last definition). */
static enum track_event pass_packets(struct tracker *t, const unsigned char *p, size_t len, size_t *used)
{
    size_t off = t->step == STEP_ROWS && !t->joined && !t->whole ? plain_rows(p, len) : 0;
    enum track_event ev = TRACK_PASS;
    while (ev != TRACK_END && len - off > PACKET_HEADER) {
        uint32_t n = get_u24(p + off);
        if (!t->joined && !passes(t, n, n ? p[off + PACKET_HEADER] : 0))
            break;
        bool joined = n == PACKET_MAX;
        size_t have = len - off - PACKET_HEADER;
        t->left = n > have ? (uint32_t)(n - have) : 0;
        off += PACKET_HEADER + (n > have ? have : n);
        /* A definition is counted when it begins: it never fills a packet. Where its bytes are not all
         * here, the end of an answer waits for them. */
        if (!t->joined && count_definition(t) == TRACK_END)
            ev = t->left == 0 ? TRACK_END : TRACK_PASS;
        t->joined = joined;
        if (t->left > 0 || t->whole)
            break;
    }
    *used = off;
    return ev;
}

/* Whole mode: a definition or row is given as a packet of its own, unless it was split. */
static enum track_event feed_whole(struct tracker *t, bool passing)
{
    if (!passing)
        return TRACK_BROKEN;
    t->kind = KIND_DATA;
    return count_definition(t);
}

enum track_event tracker_feed(struct tracker *t, const void *bytes, size_t len, size_t *used)
{
    const unsigned char *p = bytes;
    *used = 0;
    if (t->left > 0) {
        size_t n = t->left < len ? t->left : len;
        t->left -= (uint32_t)n;
        *used = n;
        return t->left == 0 && t->step == STEP_DONE ? TRACK_END : TRACK_PASS;
    }
    if (t->step == STEP_DONE)
        return TRACK_BROKEN;
    /* An empty packet has no first byte to look at. */
    bool empty = len >= PACKET_HEADER && get_u24(p) == 0;
    if (len <= PACKET_HEADER && !empty)
        return TRACK_MORE;
    if (empty && t->joined) {
        t->joined = false;
        *used = PACKET_HEADER;
        return TRACK_PASS;
    }
    uint32_t n = get_u24(p);
    bool passing = t->joined || passes(t, n, n ? p[PACKET_HEADER] : 0);
    if (passing && (!t->whole || t->joined || n == PACKET_MAX)) {
        if (empty) {
            *used = PACKET_HEADER;
            return count_definition(t) == TRACK_END ? TRACK_END : TRACK_PASS;
        }
        return pass_packets(t, p, len, used);
    }
    if (n == PACKET_MAX)
        return TRACK_BROKEN; /* no deciding packet is that long */
    if (len - PACKET_HEADER < n)
        return TRACK_MORE;
    *used = PACKET_HEADER + n;
    if (passing)
        return feed_whole(t, passing);
    return on_packet(t, (struct span){(const char *)p + PACKET_HEADER, n});
}
