/* Texts that name a migrated table and that the parser did not understand.
 *
 * Most of them are the client's own mistakes, and it is to hear of them what it would hear from the server.
 * So the server is asked to prepare the text (an own command, own.c), which runs nothing:
 *
 *   it finds the mistake too     its error is the answer, as if the text had been sent to it
 *   it takes the text            crossfade refuses it by its own error, and closes what was prepared
 *
 * The servers say of a text that is prepared, with the same words, what they say of one that is run; but that
 * is so of a single statement only, as nothing else can be prepared. */
#include "proxy/session/statements.h"

/* Whether running the text would have met the error too: what is wrong with the SQL and what it names, or the
 * end that somebody put to it (KILL QUERY). Others are about preparing. */
static bool is_of_the_text(const struct session *s)
{
    struct span e = buf_span(&s->own_error); /* 0xff, code 2, '#', SQLSTATE 5 */
    return s->tracker.error != ERROR_MOST_PREPARED && e.len >= 9 && e.ptr[3] == '#' &&
           (memcmp(e.ptr + 4, "42", 2) == 0 || memcmp(e.ptr + 4, "70", 2) == 0);
}

static void conclude(struct session *s, bool taken)
{
    s->syntax_taken = taken;
    if (taken)
        buf_free(&s->own_error);
}

static void asked_for_query(struct session *s, bool ok)
{
    if (ok)
        statement_close_backend(s, s->tracker.stmt_id);
    conclude(s, ok || !is_of_the_text(s));
}

/* To prepare it is what the client asked for. */
static void asked_for_prepare(struct session *s, bool ok)
{
    if (ok)
        statement_close_backend(s, s->tracker.stmt_id);
    conclude(s, ok);
}

/* Markers outside of what is prepared are a mistake to every server. PREPARE name FROM what was not
 * understood gets the server's error too; where that takes it, EXECUTE name is what is refused. */
bool syntax_passes(const struct rewrite_result *r)
{
    bool markers = r->param_count > 0 && !r->over;
    bool gives_name = r->unparsed.ptr && r->named_count == 1 && r->named[0].kind == NAMED_PREPARE;
    return r->part_count == 1 && (markers || gives_name);
}

bool syntax_ask(struct session *s, const struct rewrite_result *r, bool prepares)
{
    static const struct own_command query = {"a text not understood", ANSWER_PREPARE, NULL, asked_for_query};
    static const struct own_command prepare = {"a statement not understood", ANSWER_PREPARE, NULL,
                                               asked_for_prepare};
    if (!r->unparsed.ptr || s->syntax_taken)
        return false;
    own_begin(s, prepares ? &prepare : &query, SPAN("\x16"), r->unparsed);
    return true;
}
