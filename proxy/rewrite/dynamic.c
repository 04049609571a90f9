/* SQL in strings: PREPARE name FROM '…', EXECUTE name USING …, EXECUTE IMMEDIATE '…', DEALLOCATE PREPARE.
 *
 *     PREPARE s FROM 'UPDATE t SET old = ? …'      the literal is decoded, its text rewritten by itself, and
 *                                                  encoded again
 *     EXECUTE s USING @a                           what it runs is rewritten once more, under the rules of
 * now: the session sees to it that the server has just that, and markers that were repeated repeat their
 * value: USING @a, @a
 *
 * Where the text is an expression (FROM @v), the session is asked for its value. What cannot be known is
 * refused while a migration runs. */
#include "proxy/rewrite/plan.h"

#include "proxy/sql/lexer.h"
#include "proxy/sql/literal.h"

/* Of one text: for each that is asked for, the text is read once more. */
#define MOST_VALUES 64

enum seen { SEEN, UNSEEN, ASKED, NEVER /* the server refuses such a text */ };

static const char *const unseen_reason = "SQL from a variable cannot be seen, and may touch a migrated table";

/* ---- the text ---- */

/* Whether the server refuses to take SQL from this: no column is in sight there, and subqueries are
 * forbidden. */
static bool is_never_taken(const struct expr *e)
{
    if (e->has_query || e->kind == EXPR_COLUMN || e->kind == EXPR_PARAM)
        return true;
    for (const struct expr *arg = e->args; arg; arg = arg->next)
        if (is_never_taken(arg))
            return true;
    return false;
}

/* Functions that SQL is put together with; no stored function, which the server would refuse here. */
static bool is_text_function(struct span name)
{
    static const char *const names[] = {
        "cast",  "char",  "coalesce", "concat", "concat_ws",       "convert",   "database", "elt",
        "hex",   "if",    "ifnull",   "insert", "lcase",           "left",      "lower",    "lpad",
        "ltrim", "mid",   "nullif",   "quote",  "repeat",          "replace",   "reverse",  "right",
        "rpad",  "rtrim", "schema",   "space",  "substr",          "substring", "trim",     "ucase",
        "unhex", "upper", "version",  "format", "substring_index", "sformat",   "conv",
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (span_ieq(name, span_of(names[i])))
            return true;
    return false;
}

/* Whether the expression gives the same when it is asked for before, and changes nothing. */
static bool may_be_asked(const struct expr *e)
{
    switch (e->kind) {
    case EXPR_LITERAL:
    case EXPR_USER_VAR:
        return true;
    case EXPR_SYS_VAR:
    case EXPR_PAREN:
    case EXPR_OP:
    case EXPR_CASE:
        break;
    case EXPR_FUNC:
        if (name_given(&e->db) || e->windowed || e->distinct || !is_text_function(e->name.text))
            return false;
        break;
    default:
        return false;
    }
    for (const struct expr *arg = e->args; arg; arg = arg->next)
        if (!may_be_asked(arg))
            return false;
    return true;
}

/* MySQL takes SQL from one literal and from a user variable alone. */
static bool is_taken_by_mysql(const struct sql_dialect *d, const struct expr *e, struct span source)
{
    struct lexer lx;
    lex_init(&lx, d, source);
    return e->kind == EXPR_USER_VAR ||
           (e->kind == EXPR_LITERAL && lex_next(&lx).type == TOK_STRING && lex_next(&lx).type == TOK_END);
}

/* The text that the expression stands for. *asked: it is the value of an expression. */
static enum seen text_of(struct plan *p, const struct expr *e, struct span *text, bool *asked)
{
    const struct rewrite_session *s = p->session;
    struct span source = span_in(p->text, e->range);
    p->values_matter = true;
    *asked = false;
    *text = (struct span){NULL, 0};
    if (!s->dialect.mariadb && !is_taken_by_mysql(&s->dialect, e, source))
        return NEVER;
    if (e->kind == EXPR_LITERAL && literal_decode(p->arena, &s->dialect, source, text))
        return SEEN;
    *text = (struct span){NULL, 0};
    if (is_never_taken(e))
        return NEVER;
    bool comment = memmem(source.ptr, source.len, "/*", 2) || memmem(source.ptr, source.len, "*/", 2) ||
                   memmem(source.ptr, source.len, "--", 2) || memchr(source.ptr, '#', source.len);
    if (p->acted || comment || !may_be_asked(e))
        return UNSEEN;
    *asked = true;
    if (p->values_used < s->value_count) {
        const struct rewrite_value *value = &s->values[p->values_used++];
        *text = value->known ? value->text : *text;
        return value->known ? SEEN : UNSEEN;
    }
    if (!s->asks || s->value_count >= MOST_VALUES)
        return UNSEEN;
    if (!p->ask.ptr)
        p->ask = source;
    return ASKED;
}

/* Puts the text in the expression's place. */
static void put_text(struct plan *p, const struct expr *e, struct span text, bool asked)
{
    const struct sql_dialect *d = &p->session->dialect;
    /* A value came from wherever; a literal would go through the connection's character set. */
    bool hex = asked && d->mariadb && !span_is_ascii(text);
    struct span literal = hex ? literal_encode_hex(p->arena, text) : literal_encode(p->arena, d, text);
    edits_replace(&p->edits, e->range, fragment_of(literal));
}

/* ---- what the text does ---- */

/* What becomes of a text under the rules of now. */
static struct rewrite_result *rewritten(struct plan *p, struct span text, const struct sql_dialect *dialect,
                                        struct span database)
{
    struct rewrite_result *out = arena_new_of(p->arena, struct rewrite_result);
    struct rewrite_session s = *p->session;
    s.dialect = *dialect;
    s.database = database;
    s.prepared = true;
    s.want_parts = s.asks = s.sql_prepared = false;
    s.into = s.over = NULL;
    s.find_prepared = NULL;
    s.values = NULL;
    s.value_count = 0;
    p->within = p->within || rewrite_names(&s, text);
    if (s.rules->count == 0 || rewrite_wanted(&s, text)) /* without rules its facts still count */
        rewrite_within(p, &s, text, out);
    return out;
}

/* A statement that the server refuses changes nothing. */
static void runs_nothing(struct plan *p)
{
    p->runs = arena_new_of(p->arena, struct rewrite_result);
}

static struct span sent_text(struct span text, const struct rewrite_result *r)
{
    return r->verdict == REWRITE_REWRITTEN ? r->text : text;
}

/* Takes over what was found out about a text within: refusals, and what it touches, if it `counts`. */
static void adopt(struct plan *p, const struct rewrite_result *r, bool counts)
{
    p->names_table = p->names_table || r->touches;
    p->unparsed = r->unparsed;
    for (size_t i = 0; i < r->part_count; i++) {
        const struct rewrite_part *part = &r->parts[i];
        for (size_t k = 0; k < part->touch_count; k++) {
            const struct rewrite_touch *t = &part->touches[k];
            if (rule_writes_both(t->rule))
                p->named = t->rule;
            if (counts)
                touch(p, t->rule, t->column, t->write);
        }
        if (part->verdict == REWRITE_UNREWRITABLE && part->rule)
            refuse(p, part->rule, part->reason, part->hint);
    }
    if (r->verdict != REWRITE_UNREWRITABLE)
        return;
    refuse(p, r->rule, r->reason, r->hint);
    p->strict = r->rule; /* what may pass did not: something else in it may not */
}

/* ---- names ---- */

/* The name in lower case. false: it has letters of which only the server knows what is the same. */
static bool folded(struct plan *p, const struct name *name, struct span *out)
{
    char *copy = arena_alloc(p->arena, name->text.len + 1);
    if (arena_failed(p->arena) || !span_is_ascii(name->text))
        return false;
    for (size_t i = 0; i < name->text.len; i++)
        copy[i] = (char)ascii_lower((unsigned char)name->text.ptr[i]);
    *out = (struct span){copy, name->text.len};
    return true;
}

static void note_named(struct plan *p, struct rewrite_named op)
{
    if (p->named_op_count == p->named_op_cap) {
        size_t cap = p->named_op_cap ? 2 * p->named_op_cap : 4;
        struct rewrite_named *more = arena_alloc(p->arena, cap * sizeof *more);
        if (arena_failed(p->arena))
            return;
        if (p->named_op_count)
            memcpy(more, p->named_ops, p->named_op_count * sizeof *more);
        p->named_ops = more;
        p->named_op_cap = cap;
    }
    op.part = p->part;
    p->named_ops[p->named_op_count++] = op;
}

/* What the text itself did to that name last. */
static const struct rewrite_named *done_before(const struct plan *p, struct span name)
{
    for (size_t i = p->named_op_count; i-- > 0;)
        if (p->named_ops[i].kind != NAMED_EXECUTE && span_eq(p->named_ops[i].name, name))
            return &p->named_ops[i];
    return NULL;
}

/* ---- USING ---- */

/* Whether a value of USING is of a type that a store and a cast treat alike; a variable's type is not known.
 */
static bool is_exact_value(struct plan *p, const struct expr *arg)
{
    enum value_class class = value_class_of(p, NULL, arg);
    return class == VALUE_EXACT || class == VALUE_STRING || class == VALUE_NULL;
}

/* Repeats values as the markers were. */
static void repeat_values(struct plan *p, const struct stmt *s, struct expr *args,
                          const struct rewrite_result *r)
{
    uint32_t given = 0;
    const struct expr *last = NULL;
    for (const struct expr *arg = args; arg; arg = arg->next, given++) {
        if (arg->has_query) /* the server refuses it */
            return;
        last = arg;
    }
    if (r->verdict != REWRITE_REWRITTEN || !r->param_map || !last)
        return;
    if (given != r->param_count) { /* an error, which it must stay */
        uint32_t from = s->kind == STMT_EXECUTE ? range_end(s->name.range) : range_end(s->exprs->range);
        if (given == r->out_param_count)
            edits_replace(&p->edits, (struct range){from, range_end(last->range) - from},
                          fragment_of(SPAN("")));
        return;
    }
    const struct expr **by_index = arena_alloc(p->arena, given * sizeof *by_index);
    uint32_t *uses = arena_alloc(p->arena, given * sizeof *uses);
    struct builder b = {.arena = p->arena};
    if (arena_failed(p->arena))
        return;
    uint32_t n = 0;
    for (struct expr *arg = args; arg; arg = arg->next)
        by_index[n++] = arg;
    for (uint32_t i = 0; i < r->out_param_count; i++) {
        uint32_t entry = r->param_map[i], index = MAP_INDEX(entry);
        const struct expr *arg = by_index[index];
        bool repeated = ++uses[index] == 2 || MAP_NEED(entry);
        if (repeated && !is_repeatable(p, arg->range))
            refuse(p, p->strict ? p->strict : p->named, "a value of USING would have to be computed twice",
                   "put it into a variable first");
        else if ((MAP_NEED(entry) & (MAP_WHOLE | MAP_TEXT)) && !is_exact_value(p, arg))
            refuse(p, p->strict ? p->strict : p->named,
                   "a value of USING must be repeated, and its type is not known",
                   "give it as a literal, or set the new columns too");
        if (i > 0)
            builder_add(&b, SPAN(", "));
        builder_add(&b, span_in(p->text, arg->range));
    }
    edits_replace(&p->edits, range_join(args->range, last->range), builder_done(&b));
}

/* ---- the statements ---- */

static void plan_prepare(struct plan *p, const struct stmt *s)
{
    struct rewrite_named op = {.kind = NAMED_PREPARE, .database = p->database};
    bool asked, known_name = folded(p, &s->name, &op.name);
    enum seen seen = text_of(p, s->exprs, &op.text, &asked);
    if (seen == NEVER)
        return;
    if (seen == SEEN) {
        const struct rewrite_result *r = rewritten(p, op.text, &p->session->dialect, p->database);
        adopt(p, r, p->session->want_parts);
        op.touches = r->touches;
        op.sent = sent_text(op.text, r);
        if (sets_modes_for_itself(p, s)) /* it is read by modes that are not known here */
            op.text = (struct span){NULL, 0};
        if (op.touches &&
            p->charset_set) /* it could not be prepared anew under what the server reads it by */
            refuse(p, p->strict ? p->strict : p->named,
                   "the text sets sql_mode or a character set before it names a migrated table",
                   "send the SET by itself");
        if (r->verdict == REWRITE_REWRITTEN || (asked && s->exprs->kind != EXPR_USER_VAR))
            put_text(p, s->exprs, op.sent, asked);
    } else if (seen == UNSEEN) {
        refuse_running(p, unseen_reason, "prepare it by the protocol, or from a literal");
    }
    if (known_name) {
        note_named(p, op);
        return;
    }
    p->prepares = true;
    if (op.touches)
        refuse(p, p->strict ? p->strict : p->named, "the name of a prepared statement is not ASCII",
               "give it another name");
}

/* Finds what is under the name. NULL: nothing, or nothing that is known. */
static const struct rewrite_prepared *prepared_under(struct plan *p, struct span name, bool *earlier,
                                                     bool *exists)
{
    struct rewrite_prepared *found = arena_new_of(p->arena, struct rewrite_prepared);
    const struct rewrite_named *here = done_before(p, name);
    *earlier = false;
    *exists = here ? here->kind == NAMED_PREPARE : p->session->sql_prepared || p->unseen;
    if (here && here->kind == NAMED_PREPARE)
        *found = (struct rewrite_prepared){here->text, p->session->dialect, here->database};
    else if (!here && p->session->find_prepared)
        *exists |= *earlier = p->session->find_prepared(p->session->find_in, name, found);
    return found->text.ptr ? found : NULL;
}

static void plan_execute(struct plan *p, const struct stmt *s)
{
    struct rewrite_named op = {.kind = NAMED_EXECUTE};
    bool exists = p->session->sql_prepared || p->unseen;
    const struct rewrite_prepared *prepared = NULL;
    if (folded(p, &s->name, &op.name))
        prepared = prepared_under(p, op.name, &op.earlier, &exists);
    if (!prepared) {
        if (exists)
            refuse_running(p, "EXECUTE may run SQL that was prepared before the migration began",
                           "prepare it anew by the protocol, or reconnect");
        else
            runs_nothing(p);
        return;
    }
    struct rewrite_result *r = rewritten(p, prepared->text, &prepared->dialect, prepared->database);
    p->runs = r;
    adopt(p, r, true);
    repeat_values(p, s, s->exprs, r);
    op.text = prepared->text;
    op.sent = sent_text(op.text, r);
    op.touches = r->touches;
    op.database = prepared->database;
    note_named(p, op);
}

static void plan_execute_immediate(struct plan *p, const struct stmt *s)
{
    struct span text;
    bool asked;
    enum seen seen = text_of(p, s->exprs, &text, &asked);
    if (seen == UNSEEN)
        refuse_running(p, unseen_reason, "send it as it is, or as a literal");
    else if (seen != SEEN)
        runs_nothing(p);
    if (seen != SEEN)
        return;
    struct rewrite_result *r = rewritten(p, text, &p->session->dialect, p->database);
    p->runs = r;
    adopt(p, r, true);
    if (r->verdict == REWRITE_REWRITTEN || (asked && s->exprs->kind != EXPR_USER_VAR))
        put_text(p, s->exprs, sent_text(text, r), asked);
    repeat_values(p, s, s->exprs->next, r);
}

void plan_dynamic(struct plan *p, const struct stmt *s)
{
    if (p->session->prepared) { /* none of these can itself be prepared: error 1295 */
        runs_nothing(p);
        return;
    }
    if (s->kind == STMT_PREPARE) {
        plan_prepare(p, s);
    } else if (s->kind == STMT_EXECUTE) {
        plan_execute(p, s);
    } else if (s->kind == STMT_EXECUTE_IMMEDIATE) {
        plan_execute_immediate(p, s);
    } else {
        struct rewrite_named op = {.kind = NAMED_DEALLOCATE};
        if (folded(p, &s->name, &op.name))
            note_named(p, op);
    }
}
