/* Where the body of a routine, or a compound statement, ends: at the ';' that is in none of its blocks.
 *
 * The body is not parsed, only its blocks are counted: BEGIN, IF, CASE, LOOP, WHILE, REPEAT and FOR open one
 * at the beginning of a statement (CASE anywhere), END closes one there, and behind a CASE expression or the
 * condition of REPEAT. Where the count cannot be trusted the rest
 * of the text is taken as body, so that nothing within a body is ever run as a statement of its own. */
#include "proxy/sql/parse.h"

enum { MAX_BLOCKS = 64 };

struct body {
    uint64_t expressions; /* bit i: block i is a CASE expression */
    unsigned blocks;
    bool at_start; /* of a statement */
    bool header;   /* in a routine's header or a handler's conditions: a statement may begin at any word */
    bool lost;     /* the count cannot be trusted */
};

static void open_block(struct body *b, bool expression)
{
    if (b->blocks == MAX_BLOCKS) {
        b->lost = true;
        return;
    }
    uint64_t bit = (uint64_t)1 << b->blocks++;
    b->expressions = expression ? b->expressions | bit : b->expressions & ~bit;
    b->header = false;
}

static bool in_expression(const struct body *b)
{
    return b->blocks && (b->expressions >> (b->blocks - 1) & 1);
}

/* At END: also takes the word that says which block ends. */
static void close_block(struct parser *p, struct body *b)
{
    bool expression = in_expression(b);
    if (b->blocks == 0) {
        b->lost = true;
        return;
    }
    b->blocks--;
    if (expression)
        return;
    switch (p_peek_kw(p)) {
    case KW_IF:
    case KW_CASE:
    case KW_LOOP:
    case KW_WHILE:
    case KW_REPEAT:
    case KW_FOR:
        p_advance(p);
        break;
    default:
        break;
    }
}

static void body_word(struct parser *p, struct body *b)
{
    bool may_start = b->at_start || b->header;
    bool starts_next = false;
    switch (p->kw) {
    case KW_BEGIN:
        if (may_start) {
            open_block(b, false);
            starts_next = true;
        }
        break;
    case KW_CASE:
        open_block(b, !may_start);
        break;
    case KW_FOR:
        if (b->at_start)
            open_block(b, false);
        break;
    case KW_IF:
    case KW_WHILE:
        if (may_start)
            open_block(b, false);
        break;
    case KW_LOOP:
    case KW_REPEAT:
        if (may_start) {
            open_block(b, false);
            starts_next = true;
        }
        break;
    case KW_END: /* elsewhere it is a column's name */
        if (in_expression(b) || b->at_start || p_peek_kw(p) == KW_REPEAT)
            close_block(p, b);
        break;
    case KW_THEN:
    case KW_ELSE:
    case KW_DO:
        starts_next = !in_expression(b);
        break;
    case KW_HANDLER:
        b->header = true;
        break;
    case KW_RETURN:
    case KW_SELECT:
    case KW_INSERT:
    case KW_UPDATE:
    case KW_DELETE:
    case KW_REPLACE:
    case KW_CALL:
    case KW_SIGNAL:
        b->header = false;
        break;
    default:
        break;
    }
    b->at_start = starts_next;
}

/* Skips a body from here. `header`: the routine's header comes first. */
void p_skip_body(struct parser *p, bool header)
{
    struct body b = {.at_start = !header, .header = header};
    b.lost = p->dialect->modes & SQL_ORACLE;
    while (!p_at(p, TOK_END)) {
        if (p_at(p, ';')) {
            if (b.blocks == 0 && !b.lost)
                return;
            b.at_start = true;
            b.header = false;
        } else if (b.at_start && p_peek(p).type == ':') {
            p_advance(p);                                           /* a label */
        } else if (!p_at_kw(p, KW_NOT) && !p_at_kw(p, KW_ATOMIC)) { /* BEGIN NOT ATOMIC is but BEGIN */
            body_word(p, &b);
        }
        p_advance(p);
    }
}

bool p_at_compound(const struct parser *p)
{
    switch (p->kw) {
    case KW_IF:
    case KW_CASE:
    case KW_LOOP:
    case KW_WHILE:
    case KW_REPEAT:
    case KW_FOR:
        return true;
    case KW_BEGIN: { /* Oracle mode: a block, too, unless it stands alone */
        struct token next = p_peek(p);
        bool more = next.type != ';' && next.type != TOK_END && p_peek_kw(p) != KW_WORK;
        return p_peek_kw(p) == KW_NOT || (more && (p->dialect->modes & SQL_ORACLE));
    }
    case KW_DECLARE:
        return p->dialect->modes & SQL_ORACLE;
    default:
        return p_at_name(p) && p_peek(p).type == ':'; /* a label */
    }
}
