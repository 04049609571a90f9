/* Statements that are neither queries nor changes of rows: what would write or read a migrated table past
 * the rewriter, or break a migration that runs, is refused from dual-write on; the rest passes. */
#include "proxy/rewrite/plan.h"
#include "proxy/sql/lexer.h"

/* Whether `needle` stands in `text`, ASCII case aside. */
static bool contains(struct span text, struct span needle)
{
    for (size_t i = 0; needle.len && i + needle.len <= text.len; i++)
        if (span_ieq((struct span){text.ptr + i, needle.len}, needle))
            return true;
    return false;
}

static struct span stmt_text(const struct plan *p, const struct stmt *s)
{
    return span_in(p->text, s->range);
}

/* The running migrations of the tables that the statement names. */
static void refuse_tables(struct plan *p, const struct stmt *s, const char *reason, const char *hint)
{
    for (const struct table_name_list *t = s->tables; t; t = t->next) {
        const struct source *source = source_of_table(p, &t->name, NULL, NULL);
        for (uint32_t i = 0; i < source->rule_count; i++)
            refuse(p, source->rules[i], reason, hint);
    }
}

bool text_names(const struct plan *p, struct span text, const struct rule *r)
{
    char lower[256];
    struct span name = {lower, r->table.len};
    if (name.len > sizeof lower)
        return true;
    for (size_t i = 0; i < name.len; i++)
        lower[i] = (char)ascii_lower((unsigned char)r->table.ptr[i]);
    struct scan_names one = {&name, 1, scan_bloom(name)};
    uint32_t found = scan_text(&p->session->dialect, text, &one);
    return found & SCAN_NAME || (found & SCAN_BROKEN && contains(text, r->table));
}

/* Refuses a text in which some name is that of a table whose migration runs. */
static void refuse_named(struct plan *p, struct span text, const char *reason, const char *hint)
{
    for (size_t i = 0; i < p->rules->count; i++) {
        const struct rule *r = &p->rules->rules[i];
        if (rule_writes_both(r) && text_names(p, text, r))
            refuse(p, r, reason, hint);
    }
}

/* Refuses for whichever migration runs. */
static void refuse_running(struct plan *p, const char *reason, const char *hint)
{
    for (size_t i = 0; i < p->rules->count; i++)
        if (rule_writes_both(&p->rules->rules[i]))
            refuse(p, &p->rules->rules[i], reason, hint);
}

/* What stands between a literal's quotes; a null pointer for anything else. */
static struct span literal_of(const struct plan *p, const struct expr *e)
{
    struct span text = {NULL, 0};
    if (e && e->kind == EXPR_LITERAL && !e->null_literal)
        text = span_in(p->text, e->range);
    if (text.ptr && text.len > 1)
        text = (struct span){text.ptr + 1, text.len - 2};
    return text;
}

/* PREPARE and EXECUTE IMMEDIATE: what they run is not rewritten. */
static void plan_prepare(struct plan *p, const struct stmt *s)
{
    struct span text = literal_of(p, s->exprs);
    p->prepares = s->kind == STMT_PREPARE && !text.ptr;
    for (size_t i = 0; text.ptr && i < p->rules->count && s->kind == STMT_PREPARE; i++)
        p->prepares = p->prepares || text_names(p, text, &p->rules->rules[i]);
    if (text.ptr) {
        refuse_named(p, text, "SQL in a string names a migrated table and is not rewritten",
                     "prepare it by the protocol, or send the statement itself");
        return;
    }
    refuse_running(p, "SQL from a variable cannot be seen, and may touch a migrated table",
                   "prepare it by the protocol, or from a literal");
}

static void plan_create_table(struct plan *p, const struct stmt *s)
{
    if (!s->tables)
        return;
    const struct table_name *name = &s->tables->name;
    struct span verb = span_in(p->text, (struct range){s->range.off, name->range.off - s->range.off});
    const struct source *taken = source_of_table(p, name, NULL, NULL);
    if (!s->temporary && contains(verb, SPAN("replace")) && taken->rule_count)
        refuse(p, taken->rules[0], "CREATE OR REPLACE TABLE takes a migration's table while it runs",
               "end the migration or roll it back first");
    if (s->query)
        plan_create_select(p, s);
}

static void plan_create_view(struct plan *p, const struct stmt *s)
{
    refuse_tables(p, s, "a view would take the table's place", "end the migration or roll it back first");
    refuse_named(p, stmt_text(p, s), "a view would read and write the table past the proxy",
                 "create the view when the migration is done");
    if (s->query)
        walk_query(p, s->query, NULL, NULL, false);
}

/* HANDLER t CLOSE: what was opened before the migration may be closed. */
static bool closes_handler(const struct plan *p, const struct stmt *s)
{
    struct lexer lx;
    lex_init(&lx, &p->session->dialect, (struct span){p->text.ptr, range_end(s->range)});
    lx.pos = s->tables ? range_end(s->tables->name.range) : s->range.off;
    struct token t = lex_next_significant(&lx);
    return t.type == TOK_WORD && span_ieq((struct span){p->text.ptr + t.off, t.len}, SPAN("close"));
}

void plan_other(struct plan *p, const struct stmt *s)
{
    static const char *const end_first = "end the migration or roll it back first";
    for (const struct table_name_list *t = s->tables; t; t = t->next)
        source_of_table(p, &t->name, NULL, NULL);
    switch (s->kind) {
    case STMT_PREPARE:
    case STMT_EXECUTE_IMMEDIATE:
        plan_prepare(p, s);
        break;
    case STMT_EXECUTE:
        if (p->session->sql_prepared)
            refuse_running(p, "EXECUTE may run SQL that was prepared before the migration began",
                           "prepare it anew by the protocol, or reconnect");
        break;
    case STMT_CREATE_TABLE:
        plan_create_table(p, s);
        break;
    case STMT_DROP_TABLE:
        if (!s->temporary)
            refuse_tables(p, s, "DROP TABLE takes a migration's table while it runs", end_first);
        break;
    case STMT_RENAME_TABLE:
        refuse_tables(p, s, "RENAME TABLE takes a migration's table while it runs", end_first);
        break;
    case STMT_ALTER_TABLE:
        plan_alter(p, s);
        break;
    case STMT_CREATE_VIEW:
        plan_create_view(p, s);
        break;
    case STMT_CREATE_TRIGGER:
        refuse_tables(p, s, "a trigger would act between a migration's columns", end_first);
        refuse_named(p, stmt_text(p, s), "a trigger would write or read the table past the proxy", end_first);
        break;
    case STMT_CREATE_ROUTINE:
        refuse_named(p, stmt_text(p, s), "a routine would write or read the table past the proxy", end_first);
        break;
    case STMT_HANDLER:
        if (!closes_handler(p, s))
            refuse_tables(p, s, "HANDLER reads rows past the rewriter, invisible columns too", "use SELECT");
        break;
    case STMT_OTHER:
        refuse_named(p, stmt_text(p, s), "syntax not understood: an unknown statement",
                     "send the statement in a plainer form");
        break;
    case STMT_COMPOUND: /* BEGIN NOT ATOMIC … */
        refuse_named(p, stmt_text(p, s), "statements within a block are not rewritten",
                     "send the statements by themselves");
        break;
    default:
        break;
    }
    walk_exprs(p, NULL, s->exprs);
}
