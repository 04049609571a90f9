/* Statements that are neither queries nor changes of rows: what would write or read a migrated table past
 * the rewriter, or break a migration that runs, is refused from dual-write on; the rest passes. */
#include "proxy/rewrite/plan.h"
#include "proxy/sql/lexer.h"

bool contains(struct span text, struct span needle)
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

/* The running migrations of one table. */
static void refuse_table(struct plan *p, const struct table_name_list *t, const char *reason,
                         const char *hint)
{
    const struct source *source = source_of_table(p, &t->name, NULL, NULL);
    for (uint32_t i = 0; i < source->rule_count; i++)
        refuse(p, source->rules[i], reason, hint);
}

/* Those of all tables that the statement names. */
static void refuse_tables(struct plan *p, const struct stmt *s, const char *reason, const char *hint)
{
    for (const struct table_name_list *t = s->tables; t; t = t->next)
        refuse_table(p, t, reason, hint);
}

bool sets_modes_for_itself(const struct plan *p, const struct stmt *s)
{
    return s->has_set_statement && contains(stmt_text(p, s), SPAN("sql_mode"));
}

bool text_names(const struct plan *p, struct span text, const struct rule *r)
{
    char lower[256];
    struct span name = {lower, r->table.len};
    if (name.len > sizeof lower)
        return true;
    /* Where the table is not of the default database, only a text that names its database can mean it. */
    if (!span_ieq(p->database, r->db) && !contains(text, r->db))
        return false;
    for (size_t i = 0; i < name.len; i++)
        lower[i] = (char)ascii_lower((unsigned char)r->table.ptr[i]);
    struct scan_names one = {&name, 1, scan_bloom(name)};
    uint32_t found = scan_text(&p->session->dialect, text, &one);
    return found & SCAN_NAME || (found & SCAN_BROKEN && contains(text, r->table));
}

/* Refuses to take a database in which a migration runs. */
static void refuse_database(struct plan *p, struct span name, const char *hint)
{
    for (size_t i = 0; i < p->rules->count; i++) {
        const struct rule *r = &p->rules->rules[i];
        if (rule_writes_both(r) && rules_same_table(p->rules, r->db, name))
            refuse(p, r, "DROP DATABASE takes a migration's table while it runs", hint);
    }
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

/* Whether `name` stands in `text` as a word of its own, ASCII case aside. */
static bool contains_name(struct span text, struct span name)
{
    for (size_t i = 0; name.len && i + name.len <= text.len; i++) {
        size_t end = i + name.len;
        if (span_ieq((struct span){text.ptr + i, name.len}, name) &&
            (i == 0 || !lex_is(text.ptr[i - 1], CLASS_IDENT)) &&
            (end == text.len || !lex_is(text.ptr[end], CLASS_IDENT)))
            return true;
    }
    return false;
}

/* The same, and in its strings too, which it may run. */
static void refuse_in_strings(struct plan *p, struct span text, const char *reason, const char *hint)
{
    for (size_t i = 0; i < p->rules->count; i++) {
        const struct rule *r = &p->rules->rules[i];
        bool reached = span_ieq(p->database, r->db) || contains(text, r->db);
        if (rule_writes_both(r) && reached && contains_name(text, r->table))
            refuse(p, r, reason, hint);
    }
}

void refuse_running(struct plan *p, const char *reason, const char *hint)
{
    for (size_t i = 0; i < p->rules->count; i++)
        if (rule_writes_both(&p->rules->rules[i]))
            refuse(p, &p->rules->rules[i], reason, hint);
}

static void plan_create_table(struct plan *p, const struct stmt *s)
{
    if (!s->tables)
        return;
    const struct source *taken = source_of_table(p, &s->tables->name, NULL, NULL);
    if (!s->temporary && s->replaces && taken->rule_count)
        refuse(p, taken->rules[0], "CREATE OR REPLACE TABLE takes a migration's table while it runs",
               "end the migration or roll it back first");
    for (const struct table_name_list *t = s->tables->next; s->merges && t; t = t->next)
        refuse_table(p, t, "a MERGE table would read and write the table past the proxy",
                     "create it when the migration is done");
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

bool runs_strings(const struct plan *p, struct span text)
{
    struct lexer lx;
    struct token t;
    lex_init(&lx, &p->session->dialect, text);
    for (lex_read(&lx, &t); t.type != TOK_END; lex_read(&lx, &t)) {
        struct span word = {text.ptr + t.off, t.len};
        if (t.type == TOK_WORD && (span_ieq(word, SPAN("execute")) || span_ieq(word, SPAN("prepare"))))
            return true;
    }
    return false;
}

void plan_other(struct plan *p, const struct stmt *s)
{
    static const char *const end_first = "end the migration or roll it back first";
    static const char *const block_reason = "statements within a block are not rewritten";
    static const char *const block_hint = "send the statements by themselves";
    static const char *const past_routine = "a routine would write or read the table past the proxy";
    for (const struct table_name_list *t = s->tables; t; t = t->next)
        source_of_table(p, &t->name, NULL, NULL);
    switch (s->kind) {
    case STMT_PREPARE:
    case STMT_EXECUTE_IMMEDIATE:
    case STMT_EXECUTE:
    case STMT_DEALLOCATE:
        plan_dynamic(p, s);
        break;
    case STMT_CREATE_TABLE:
        plan_create_table(p, s);
        break;
    case STMT_DROP_TABLE:
        if (!s->temporary)
            refuse_tables(p, s, "DROP TABLE takes a migration's table while it runs", end_first);
        break;
    case STMT_DROP_DATABASE:
        refuse_database(p, s->name.text, end_first);
        break;
    case STMT_DDL_OTHER:
        if (s->replaces && !s->temporary)
            refuse_tables(p, s, "CREATE OR REPLACE SEQUENCE takes a migration's table while it runs",
                          end_first);
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
        refuse_named(p, stmt_text(p, s), past_routine, end_first);
        if (runs_strings(p, stmt_text(p, s)))
            refuse_in_strings(p, stmt_text(p, s), past_routine, end_first);
        break;
    case STMT_HANDLER:
        if (!closes_handler(p, s))
            refuse_tables(p, s, "HANDLER reads rows past the rewriter, invisible columns too", "use SELECT");
        break;
    case STMT_OTHER:
        refuse_named(p, stmt_text(p, s), "syntax not understood: an unknown statement",
                     "send the statement in a plainer form");
        p->unparsed = p->text;
        break;
    case STMT_COMPOUND: /* BEGIN NOT ATOMIC … */
        refuse_named(p, stmt_text(p, s), block_reason, block_hint);
        if (runs_strings(p, stmt_text(p, s)))
            refuse_running(p, block_reason, block_hint);
        break;
    default:
        break;
    }
    walk_exprs(p, NULL, s->exprs);
}
