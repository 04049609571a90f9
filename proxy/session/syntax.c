/* Texts that name a migrated table and that the parser did not understand.
 *
 * Most of them are the client's own mistakes, and it is to hear of them what it would hear from the server.
 * So the server is asked to prepare the text (an own command, own.c), which runs nothing:
 *
 *   it finds the mistake too     its error is the answer, as if the text had been sent to it
 *   it takes the text            crossfade refuses it by its own error, and closes what was prepared
 *
 * The servers say of a text that is prepared, with the same words, what they say of one that is run; but that
 * is so of a single statement only, as nothing else can be prepared.
 *
 * Of several statements the server runs those before the wrong one, and answers that by its error. It does so
 * here too, once it is certain that it will find the mistake: then what comes before is rewritten, and the
 * rest goes as it came. Which ';' ends the wrong statement is not known (a block has some within), so it is
 * asked about the rest up to each of them, and must take none. Only what its parser says counts here: other
 * errors may be gone when the statements before have run. */
#include "proxy/session/statements.h"

#include "proxy/sql/lexer.h"

#define ERROR_PARSE     1064
#define REST_ASKED_MOST 16

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
    if (!taken)
        return;
    s->syntax = SYNTAX_TAKEN;
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

/* ---- several statements ---- */

/* The rest up to the end that the wrong statement may have, by its number from 0; a null pointer: there are
 * no more. What has nothing behind its ';' is the whole. */
static struct span piece_of(const struct session *s, struct span rest, uint32_t number)
{
    struct lexer lx;
    struct token t;
    uint32_t found = 0;
    const char *end = NULL; /* a ';', if there is something behind it */
    lex_init(&lx, &s->dialect, rest);
    for (lex_read_significant(&lx, &t); t.type != TOK_END; lex_read_significant(&lx, &t)) {
        if (t.type == ';') {
            end = end ? end : rest.ptr + t.off;
        } else if (end) {
            if (found++ == number)
                return (struct span){rest.ptr, (size_t)(end - rest.ptr)};
            end = NULL;
        }
    }
    return found == number ? rest : (struct span){NULL, 0};
}

static void asked_for_rest(struct session *s, bool ok)
{
    if (ok)
        statement_close_backend(s, s->tracker.stmt_id);
    if (ok || s->tracker.error != ERROR_PARSE)
        s->syntax = SYNTAX_TAKEN;
    s->rest_asked++;
    buf_free(&s->own_error);
}

static bool ask_for_rest(struct session *s, struct span rest)
{
    static const struct own_command ask = {"statements not understood", ANSWER_PREPARE, NULL, asked_for_rest};
    if (s->syntax != SYNTAX_ASKING ||
        s->rest_len != rest.len) { /* the first time, or there are other rules by now */
        s->syntax = SYNTAX_ASKING;
        s->rest_asked = 0;
        s->rest_len = (uint32_t)rest.len;
    }
    if (s->rest_asked == REST_ASKED_MOST)
        return false;
    own_begin(s, &ask, SPAN("\x16"), piece_of(s, rest, s->rest_asked));
    return true;
}

bool syntax_rest_is_bad(struct session *s, const struct rewrite_result *r)
{
    if (!r->rest.ptr || s->rest_len != r->rest.len)
        return false;
    if (s->syntax == SYNTAX_ASKING && !piece_of(s, r->rest, s->rest_asked).ptr)
        s->syntax = SYNTAX_REST_BAD;
    return s->syntax == SYNTAX_REST_BAD;
}

/* ---- the text's command ---- */

/* Markers outside of what is prepared are a mistake to every server. PREPARE name FROM what was not
 * understood gets the server's error too; where that takes it, EXECUTE name is what is refused. */
bool syntax_passes(const struct rewrite_result *r)
{
    bool markers = r->param_count > 0 && !r->over;
    bool gives_name = r->unparsed.ptr && r->named_count == 1 && r->named[0].kind == NAMED_PREPARE;
    return r->part_count == 1 && (markers || gives_name);
}

bool syntax_ask(struct session *s, struct span text, const struct rewrite_result *r, bool prepares)
{
    static const struct own_command query = {"a text not understood", ANSWER_PREPARE, NULL, asked_for_query};
    static const struct own_command prepare = {"a statement not understood", ANSWER_PREPARE, NULL,
                                               asked_for_prepare};
    if (s->syntax == SYNTAX_TAKEN || s->syntax == SYNTAX_REST_BAD || (!r->unparsed.ptr && !r->rest.ptr))
        return false;
    if (r->rest.ptr && !prepares)
        return ask_for_rest(s, r->rest);
    own_begin(s, prepares ? &prepare : &query, SPAN("\x16"), r->rest.ptr ? text : r->unparsed);
    return true;
}
