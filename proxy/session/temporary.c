/* The temporary tables of a session. One hides the base table or view of its name, so a statement on it is no
 * matter of a migration's. They are known by the texts that make and drop them; what runs in the server (a
 * procedure, a function of any SELECT, a trigger) may drop one unseen. So where one hides a migrated table,
 * or a view that may show its rows, the server is asked (own.c) before each statement that may name it:
 *
 *     CREATE TEMPORARY TABLE users …; SELECT f(); UPDATE users …    SHOW CREATE TABLE tells which users that
 * is */
#include <stdlib.h>

#include "proxy/rewrite/expression.h"
#include "proxy/session/inside.h"
#include "proxy/sql/arena.h"

static void drop_at(struct session *s, size_t i)
{
    size_t last = --s->temporary_count;
    free((char *)s->temporary[i].ptr);
    s->temporary[i] = s->temporary[last];
    s->temporary_doubted[i] = s->temporary_doubted[last];
    s->temporary_changes++;
}

static void drop(struct session *s, struct span name)
{
    for (size_t i = 0; i < s->temporary_count; i++) {
        if (span_eq(s->temporary[i], name)) {
            drop_at(s, i);
            return;
        }
    }
}

/* Room for one more. */
static bool grow(struct session *s)
{
    size_t n = s->temporary_count + 1;
    struct span *names = realloc(s->temporary, n * sizeof *names);
    if (!names)
        return false;
    s->temporary = names;
    bool *doubted = realloc(s->temporary_doubted, n * sizeof *doubted);
    if (!doubted)
        return false;
    s->temporary_doubted = doubted;
    return true;
}

/* Where there is no memory for it, it is taken for a base table. */
static void add(struct session *s, struct span name)
{
    drop(s, name);
    s->temporary_changes++;
    char *copy = grow(s) ? malloc(name.len + 1) : NULL;
    if (!copy)
        return;
    memcpy(copy, name.ptr, name.len);
    s->temporary[s->temporary_count].ptr = copy;
    s->temporary[s->temporary_count].len = name.len;
    s->temporary_doubted[s->temporary_count++] = false;
}

/* After an error it is not known which of several tables were made. One that is taken for a base table though
 * a temporary one hides it gives an error at worst; the other way round a write would miss its new columns.
 */
void temporary_apply(struct session *s, const struct buf *pieces, bool ok)
{
    struct reader r = reader_of(buf_span(pieces));
    while (reader_left(&r) > 0) {
        bool created = read_u8(&r);
        struct span name = read_bytes(&r, read_u16(&r));
        if (created && ok)
            add(s, name);
        else if (!created)
            drop(s, name);
    }
}

void temporary_forget(struct session *s)
{
    while (s->temporary_count > 0)
        free((char *)s->temporary[--s->temporary_count].ptr);
    free(s->temporary);
    free(s->temporary_doubted);
    s->temporary = NULL;
    s->temporary_doubted = NULL;
}

void temporary_doubt(struct session *s)
{
    bool more = false;
    for (size_t i = 0; i < s->temporary_count; i++) {
        more = more || !s->temporary_doubted[i];
        s->temporary_doubted[i] = true;
    }
    s->temporary_changes += more;
}

/* ---- asking ---- */

/* "CREATE TEMPORARY TABLE …", in whatever character set results come in. */
static bool says_temporary(struct span text)
{
    static const struct span begin = {"CREATE TEMPORARY ", 17};
    size_t at = 0;
    for (size_t i = 0; i < text.len && at < begin.len; i++)
        if (text.ptr[i] != 0 && text.ptr[i] != begin.ptr[at++])
            return false;
    return at == begin.len;
}

/* The row: the name, and the statement that would make the table. */
static void packet(struct session *s, struct span payload)
{
    if (s->tracker.kind == KIND_COLUMNS)
        s->own_columns = s->tracker.columns;
    if (s->tracker.kind != KIND_DATA || s->own_step++ != s->own_columns)
        return; /* definitions come first, then the row */
    struct reader r = reader_of(payload);
    read_lenenc_str(&r);
    s->temporary_doubted[s->temporary_asked] = !says_temporary(read_lenenc_str(&r));
}

/* Errors that a temporary table does not give: it needs no privilege. */
static bool is_no_temporary(unsigned error)
{
    return error == 1146 || error == 1142 || error == 1044 || error == 1049;
}

static void done(struct session *s, bool ok)
{
    bool gone = s->temporary_doubted[s->temporary_asked] && (ok || is_no_temporary(s->tracker.error));
    if (!gone)
        return; /* any other error is the statement's */
    drop_at(s, s->temporary_asked);
    buf_free(&s->own_error);
}

/* Finds the migrated table, or a view that may show the rows of one, that hides behind a temporary table's
 * "db.table". Names may hold a dot themselves. */
static bool find_hidden(const struct rules *rules, struct span temporary, struct span *db, struct span *table)
{
    for (size_t i = 0; i < temporary.len; i++) {
        *db = (struct span){temporary.ptr, i};
        *table = (struct span){temporary.ptr + i + 1, temporary.len - i - 1};
        if (temporary.ptr[i] == '.' &&
            (rules_table(rules, *db, *table) ||
             rule_of_rows_behind_view(rules, catalog_find(rules->catalog, *db, *table))))
            return true;
    }
    return false;
}

static void ask(struct session *s, struct span db, struct span table)
{
    static const struct own_command own = {"whether a table is temporary", ANSWER_RESULTS, packet, done};
    struct arena *arena = s->shared->arena;
    struct buf text = BUF_INIT;
    arena_reset(arena);
    buf_add_str(&text, "SHOW CREATE TABLE ");
    buf_add_span(&text, quoted_name(arena, db));
    buf_add_byte(&text, '.');
    buf_add_span(&text, quoted_name(arena, table));
    if (arena_failed(arena) || buf_failed(&text))
        session_fail(s, "out of memory");
    else
        own_query(s, &own, buf_span(&text));
    buf_free(&text);
}

bool temporary_ask(struct session *s, const struct rules *rules)
{
    struct span db, table;
    for (size_t i = 0; i < s->temporary_count; i++) {
        if (!s->temporary_doubted[i] || !find_hidden(rules, s->temporary[i], &db, &table))
            continue;
        s->temporary_asked = i;
        ask(s, db, table);
        return true;
    }
    return false;
}
