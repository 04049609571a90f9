/* Rows of VALUES in an INSERT.
 *
 * A large INSERT is little but rows of plain literals: numbers, strings, NULL. Those are read straight from
 * the bytes, without tokens and without nodes. A run of them is one value_row that tells where the values
 * end:
 *
 *     VALUES (1, 'a'), (-2, NULL), (3, f(4)), (5, 'b')
 *             ^    ^    ^     ^
 *            run of two rows     by grammar   by grammar: after one of another kind, some rows are
 *
 * Anything else in a row sends the whole row to the grammar. value_rows_apart() gives the rows of a run the
 * nodes that the grammar would have made. */
#include "proxy/sql/parse.h"

/* After a row of another kind, this many are left to the grammar. */
enum { ROWS_LEFT = 8 };

/* Ends are kept in chunks, since it is not known how many there will be. */
enum { FIRST_CHUNK = 16, LARGEST_CHUNK = 16 * 1024 };

struct rows {
    uint32_t left;  /* rows that are left to the grammar */
    uint32_t *ends; /* the chunk's free entries */
    uint32_t room;  /* how many they are */
    uint32_t chunk; /* entries of the whole chunk */
};

/* Tabs and what else is a blank send a row to the grammar: these are what programs write. */
static const char *skip_blanks(const char *at, const char *end)
{
    while (at < end && (*at == ' ' || *at == '\n' || *at == '\r'))
        at++;
    return at;
}

static const char *plain_number_end(const char *at, const char *end)
{
    const char *q = at;
    while (q < end && lex_is(*q, CLASS_DIGIT))
        q++;
    if (q > at && q < end && *q == '.')
        do
            q++;
        while (q < end && lex_is(*q, CLASS_DIGIT));
    return q > at ? q : NULL;
}

/* The end of the number, string or NULL at `at`; NULL where it is none, or not plainly one. */
static const char *plain_literal_end(const struct sql_dialect *d, const char *at, const char *end)
{
    bool folded = false;
    const char *q = NULL;
    if (*at == '\'' || (*at == '"' && !(d->modes & SQL_ANSI_QUOTES)))
        return lex_quoted_end(d, at, end, false, &folded);
    if (lex_is(*at, CLASS_DIGIT) || *at == '-')
        q = plain_number_end(at + (*at == '-'), end);
    else if (end - at > 4 && span_ieq((struct span){at, 4}, SPAN("NULL")))
        q = at + 4;
    return q && q < end && !lex_is(*q, CLASS_IDENT) && *q != '.' ? q : NULL;
}

/* Reads the row at `at`, its '('. Returns what is behind its ')', or NULL: it is of another kind. *count
 * becomes how many values it has; those beyond `room` have no entry in `ends`. */
static const char *plain_row(const struct parser *p, const char *at, uint32_t *ends, uint32_t room,
                             uint32_t *count)
{
    const char *text = p->lx.text, *end = text + p->lx.len;
    uint32_t n = 0;
    do {
        at = skip_blanks(at + 1, end);
        const char *q = at < end ? plain_literal_end(p->dialect, at, end) : NULL;
        if (!q)
            return NULL;
        if (n < room)
            ends[n] = (uint32_t)(q - text);
        n++;
        at = skip_blanks(q, end);
    } while (at < end && *at == ',');
    *count = n;
    return at < end && *at == ')' ? at + 1 : NULL;
}

static bool new_chunk(struct parser *p, struct rows *rows, uint32_t least)
{
    uint32_t size = rows->chunk ? rows->chunk : FIRST_CHUNK / 2;
    do
        size *= 2;
    while (size < least);
    if (size > LARGEST_CHUNK && least <= LARGEST_CHUNK)
        size = LARGEST_CHUNK;
    rows->ends = p_alloc(p, size * sizeof *rows->ends);
    rows->room = rows->chunk = size;
    return p->status == PARSE_OK;
}

/* The '(' of the row behind the one that ended at `at`; NULL where none follows plainly. */
static const char *next_row(const struct parser *p, const char *at)
{
    const char *end = p->lx.text + p->lx.len;
    at = skip_blanks(at, end);
    if (at == end || *at != ',')
        return NULL;
    at = skip_blanks(at + 1, end);
    return at < end && *at == '(' ? at : NULL;
}

/* Reads as many rows of plain literals as there are, all with as many values as the first, at its '('. false:
 * that is of another kind, and nothing was read. */
static bool plain_rows(struct parser *p, struct value_row *run, struct rows *rows)
{
    const char *text = p->lx.text, *behind = NULL;
    uint32_t count;
    if (rows->room == 0 && !new_chunk(p, rows, 0))
        return false;
    for (const char *at = text + p->tok.off; at;) {
        const char *q = plain_row(p, at, rows->ends, rows->room, &count);
        if (!q || (run->run > 0 && (count != run->count || count > rows->room)))
            break;
        if (count > rows->room) {
            if (!new_chunk(p, rows, count))
                break;
            continue;
        }
        if (run->run == 0)
            run->ends = rows->ends;
        run->count = count;
        run->run++;
        rows->ends += count;
        rows->room -= count;
        behind = q;
        at = next_row(p, q);
    }
    if (!behind)
        return false;
    if (p->peak < 2) /* a negative number's height */
        p->peak = 2;
    p->lx.pos = (uint32_t)(behind - text);
    run->range = (struct range){p->tok.off, p->lx.pos - p->tok.off};
    p->tok = (struct token){.type = ')', .off = p->lx.pos - 1, .len = 1};
    p_advance(p);
    return true;
}

static struct value_row *value_row(struct parser *p, struct rows *rows)
{
    struct value_row *row = p_new(p, struct value_row);
    struct expr_tail t = {NULL, &row->values};
    uint32_t off = p->tok.off;
    if (rows->left > 0)
        rows->left--;
    else if (p_at(p, '(') && plain_rows(p, row, rows))
        return row;
    else
        rows->left = ROWS_LEFT;
    p_expect(p, '(', "expected ( of a row of VALUES");
    while (!p_at(p, ')') && !p_at(p, TOK_END)) {
        p_operand(p, &t, p_expr_or_default(p));
        row->count++;
        if (!p_accept(p, ','))
            break;
    }
    p_expect(p, ')', "expected ) of a row of VALUES");
    row->range = p_since(p, off);
    return row;
}

void p_value_rows(struct parser *p, struct insert_stmt *ins)
{
    struct value_row **tail = &ins->rows;
    uint32_t off = p->tok.off;
    struct rows rows = {0};
    do {
        *tail = value_row(p, &rows);
        ins->row_count += (*tail)->run ? (*tail)->run : 1;
        tail = &(*tail)->next;
    } while (p_accept(p, ','));
    ins->values_range = p_since(p, off);
}

/* ---- rows apart ---- */

static struct expr *literal(struct arena *arena, struct span text, const char *at, uint32_t end)
{
    bool negative = *at == '-';
    uint32_t off = (uint32_t)(at - text.ptr);
    struct expr *e = arena_new_of(arena, struct expr);
    e->kind = EXPR_LITERAL;
    e->height = 1;
    e->range = (struct range){off + negative, end - off - negative};
    e->null_literal = (*at | 0x20) == 'n';
    if (!negative)
        return e;
    struct expr *minus = arena_new_of(arena, struct expr);
    minus->kind = EXPR_OP;
    minus->op = OP_NEGATE;
    minus->height = 2;
    minus->range = (struct range){off, end - off};
    minus->args = e;
    return minus;
}

/* One row of a run, whose '(' is at `at`. */
static struct value_row *row_apart(struct arena *arena, struct span text, const struct value_row *run,
                                   const uint32_t *ends, const char *at)
{
    const char *begin = at, *end = text.ptr + text.len;
    struct value_row *row = arena_new_of(arena, struct value_row);
    struct expr **tail = &row->values;
    for (uint32_t i = 0; i < run->count && !arena_failed(arena); i++) {
        *tail = literal(arena, text, skip_blanks(at + 1, end), ends[i]);
        tail = &(*tail)->next;
        at = skip_blanks(text.ptr + ends[i], end);
    }
    row->count = run->count;
    row->range = (struct range){(uint32_t)(begin - text.ptr), (uint32_t)(at + 1 - begin)};
    return row;
}

struct value_row *value_rows_apart(struct arena *arena, struct span text, const struct value_row *rows)
{
    struct value_row *first = NULL, **tail = &first;
    const char *end = text.ptr + text.len;
    for (; rows && !arena_failed(arena); rows = rows->next) {
        const char *at = text.ptr + rows->range.off;
        for (uint32_t i = 0; i < (rows->run ? rows->run : 1) && !arena_failed(arena); i++) {
            if (rows->run) {
                *tail = row_apart(arena, text, rows, rows->ends + (size_t)i * rows->count, at);
                at = skip_blanks(text.ptr + range_end((*tail)->range), end); /* the comma, or what follows */
                at = at < end ? skip_blanks(at + 1, end) : end;
            } else {
                *tail = arena_new_of(arena, struct value_row);
                **tail = *rows;
            }
            tail = &(*tail)->next;
        }
    }
    *tail = NULL;
    return arena_failed(arena) ? NULL : first;
}
