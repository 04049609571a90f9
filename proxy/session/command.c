/* What the client says: one command at a time. Those that mean something to the relay have a function in the
 * table; everything else passes as it comes. */
#include "proxy/session/inside.h"

/* ---- bytes that just pass ---- */

/* The header of a further packet. Where the client's numbers are not the backend's it gets its own:
 * compressing clients count compressed packets, and a command that was made anew may have fewer or more
 * packets. */
static void number(struct session *s, char *header)
{
    if (s->client.zip || s->renumber)
        header[3] = (char)s->next_seq++;
}

/* Passes what is still to come of the packets of a command or of a file. Returns the bytes passed; *ended:
 * the logical packet's end is among them. */
static size_t pass_rest(struct session *s, char *bytes, size_t len, bool *ended)
{
    size_t off = 0;
    *ended = false;
    for (;;) {
        size_t n = s->send_left < len - off ? s->send_left : len - off;
        s->send_left -= (uint32_t)n;
        off += n;
        if (s->send_left > 0)
            break;
        if (!s->send_joined) {
            *ended = true;
            break;
        }
        if (len - off < PACKET_HEADER)
            break;
        s->send_left = get_u24(bytes + off);
        s->send_joined = s->send_left == PACKET_MAX;
        number(s, bytes + off);
        off += PACKET_HEADER;
    }
    if (off > 0)
        channel_send(&s->backend, bytes, off);
    return off;
}

size_t rest_from_client(struct session *s, char *bytes, size_t len)
{
    bool ended;
    if (s->send_left == 0 && !s->send_joined)
        return 0; /* the next command waits */
    size_t used = pass_rest(s, bytes, len, &ended);
    if (ended && s->tracker.answer == ANSWER_NONE)
        session_move(s, STATE_READY);
    return used;
}

/* The file of LOAD DATA LOCAL INFILE: packets of any length, an empty one at its end. */
size_t infile_from_client(struct session *s, char *bytes, size_t len)
{
    bool ended;
    if (s->send_left > 0 || s->send_joined)
        return pass_rest(s, bytes, len, &ended);
    if (len < PACKET_HEADER)
        return 0;
    s->send_left = get_u24(bytes);
    if (s->send_left == 0) {
        tracker_infile_sent(&s->tracker);
        session_move(s, STATE_COMMAND);
    }
    number(s, bytes);
    channel_send(&s->backend, bytes, PACKET_HEADER);
    return PACKET_HEADER;
}

/* While events of a replication stream flow, what the client says are acknowledgements. */
size_t stream_from_client(struct session *s, char *bytes, size_t len)
{
    channel_send(&s->backend, bytes, len);
    return len;
}

/* ---- commands ---- */

static void await_answer(struct session *s, uint8_t command)
{
    enum answer answer = command == COM_STMT_EXECUTE && s->cursor ? ANSWER_CURSOR : answer_of(command);
    s->command = command;
    s->schema_told = s->charset_told = false;
    tracker_begin(&s->tracker, answer, s->capabilities);
    s->tracker.definitions = s->shown != NULL;
    if (answer == ANSWER_NONE)
        session_unpin(s);
    session_move(s, answer == ANSWER_STREAM ? STATE_STREAM : STATE_COMMAND);
}

size_t command_forward(struct session *s, char *bytes, size_t len)
{
    uint32_t n = get_u24(bytes);
    bool ended;
    s->next_seq = (uint8_t)(bytes[3] + 1);
    s->send_left = n;
    s->send_joined = n == PACKET_MAX;
    await_answer(s, n ? (uint8_t)bytes[PACKET_HEADER] : COM_SLEEP);
    channel_send(&s->backend, bytes, PACKET_HEADER);
    size_t used = PACKET_HEADER + pass_rest(s, bytes + PACKET_HEADER, len - PACKET_HEADER, &ended);
    if (ended && answer_of(s->command) == ANSWER_NONE)
        session_move(s, STATE_READY);
    return used;
}

/* Follows the answer of a command whose packets, up to `seq`, stand for the client's `parts`. */
static void sent(struct session *s, uint8_t command, uint8_t seq, size_t parts)
{
    s->send_left = 0;
    s->send_joined = false;
    await_answer(s, command);
    /* The answer goes on counting where the command's packets ended; the client counts its own. */
    s->renumber = (uint8_t)((uint8_t)parts - seq);
    if (s->renumber)
        s->tracker.whole = true;
    if (answer_of(s->command) == ANSWER_NONE)
        session_move(s, STATE_READY);
}

void command_send(struct session *s, struct span head, struct span body, size_t parts)
{
    uint8_t seq = 0;
    add_packet(channel_out(&s->backend), &seq, head, body);
    sent(s, (uint8_t)head.ptr[0], seq, parts);
}

void command_send_built(struct session *s, struct buf *built, size_t parts)
{
    struct buf *out = channel_out(&s->backend);
    uint8_t seq = 0;
    packet_end_split(built, 0, &seq);
    if (buf_failed(built)) {
        session_fail(s, "out of memory");
        return;
    }
    if (buf_len(out) == 0 && buf_len(built) > SCRATCH_SIZE) { /* the socket will not take it at once */
        buf_free(out);
        *out = *built;
        *built = BUF_INIT;
    } else {
        channel_send(&s->backend, buf_ptr(built), buf_len(built));
    }
    sent(s, COM_QUERY, seq, parts);
}

void command_refuse(struct session *s, size_t parts, unsigned code, struct span message)
{
    add_err(channel_out(&s->client), (uint8_t)parts, code, "HY000", message);
    s->asked = false;
    s->syntax_taken = false;
    session_unpin(s);
    session_adopted(s);
}

bool command_gather(struct session *s, char *bytes, size_t len, struct gathered *out)
{
    *out = (struct gathered){{NULL, 0}, 0, 1};
    if (s->joined > 0) { /* tried before: the payload stands joined behind the first header */
        size_t headers = s->joined / PACKET_MAX + 1;
        *out = (struct gathered){
            {bytes + PACKET_HEADER, s->joined}, s->joined + headers * PACKET_HEADER, headers};
        return true;
    }
    size_t size = logical_size(bytes, len, &out->parts);
    if (size > GATHER_MAX || len > GATHER_MAX)
        return false;
    if (size == 0 || size > len)
        return true;
    out->size = size;
    out->payload = logical_payload(bytes, size, out->parts);
    s->joined = out->parts > 1 ? out->payload.len : 0;
    return true;
}

static size_t forward_begin(struct session *s, char *bytes, size_t len)
{
    return command_forward(s, bytes, len);
}

/* The client will say nothing more and wants no answer. The backend hears of it, and the session ends without
 * waiting for either to close. */
static size_t quit_begin(struct session *s, char *bytes, size_t len)
{
    size_t used = command_forward(s, bytes, len);
    if (s->send_left > 0)
        return used;
    channel_flush(&s->backend);
    s->client.quit = s->backend.quit = true;
    session_close(s, "the client quit");
    return used;
}

size_t command_from_client(struct session *s, char *bytes, size_t len)
{
    static session_bytes *const begin[256] = {
        [COM_QUIT] = quit_begin,
        [COM_QUERY] = query_begin,
        [COM_INIT_DB] = init_db_begin,
        [COM_CHANGE_USER] = change_user_begin,
        [COM_STMT_PREPARE] = prepare_begin,
        [COM_STMT_EXECUTE] = execute_begin,
        [COM_STMT_BULK_EXECUTE] = bulk_begin,
        [COM_STMT_SEND_LONG_DATA] = long_data_begin,
        [COM_STMT_CLOSE] = statement_begin,
        [COM_STMT_RESET] = statement_begin,
        [COM_STMT_FETCH] = statement_begin,
    };
    if (s->send_left > 0 || s->send_joined) { /* the rest of what was answered before it was whole */
        bool ended;
        return pass_rest(s, bytes, len, &ended);
    }
    if (len < PACKET_HEADER)
        return 0;
    if (get_u24(bytes) == 0)
        return command_forward(s, bytes, len);
    if (len == PACKET_HEADER)
        return 0;
    if (!s->pin)
        worker_catch_up(s->worker);
    session_bytes *handler = begin[(uint8_t)bytes[PACKET_HEADER]];
    size_t used = (handler ? handler : forward_begin)(s, bytes, len);
    if (used > 0)
        s->joined = 0;
    return used;
}
