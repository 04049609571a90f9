/* What the statements of a text change in the session and in the catalog, beside rows: see run.h. */
#include "proxy/rewrite/run.h"

#include "proxy/sql/lexer.h"

static uint32_t facts_of(const struct stmt *s)
{
    switch (s->kind) {
    case STMT_USE:
        return FACT_USE;
    case STMT_CALL:
    case STMT_COMPOUND:
    case STMT_EXECUTE: /* of what is not known */
    case STMT_EXECUTE_IMMEDIATE:
        return FACT_MODES | FACT_PREPARED;
    case STMT_CREATE_TABLE:
        return s->temporary ? FACT_TEMPORARY : FACT_DDL;
    case STMT_DROP_TABLE: /* without the word TEMPORARY it takes a temporary one too */
        return s->temporary ? FACT_TEMPORARY : FACT_DDL | FACT_TEMPORARY;
    case STMT_ALTER_TABLE: /* may give a temporary one another name */
    case STMT_RENAME_TABLE:
        return FACT_DDL | FACT_TEMPORARY;
    case STMT_CREATE_VIEW:
    case STMT_CREATE_INDEX:
    case STMT_DROP_DATABASE:
    case STMT_DDL_OTHER:
        return FACT_DDL;
    default:
        return 0;
    }
}

static bool add_temporary(struct run *run, struct rewrite_temporary t)
{
    struct rewrite_temporary *items =
        grown(run->plan.arena, run->temporary, run->temporary_count, sizeof *items, &run->temporary_cap);
    if (!items)
        return false;
    run->temporary = items;
    run->temporary[run->temporary_count++] = t;
    run->plan.noted = run->temporary;
    run->plan.noted_count = run->temporary_count;
    return true;
}

static void note_temporary(struct run *run, const struct stmt *s)
{
    struct span text = span_in(run->plan.text, s->range);
    if (s->kind == STMT_ALTER_TABLE && !contains(text, SPAN("rename")))
        return;
    for (const struct table_name_list *t = s->tables; t; t = t->next) {
        struct rewrite_temporary item = {
            .db = name_given(&t->name.db) ? t->name.db.text : run->plan.database,
            .table = t->name.table.text,
            .created = s->kind == STMT_CREATE_TABLE,
        };
        struct rewrite_temporary gone = {.db = item.db, .table = item.table};
        if (s->replaces && !add_temporary(run, gone)) /* it is, even where the new one cannot be made */
            return;
        if (!add_temporary(run, item))
            return;
        if (s->kind == STMT_CREATE_TABLE) /* LIKE's table is no temporary one */
            return;
    }
}

void note_shown(struct plan *p, const struct rewrite_shown *shown)
{
    struct rewrite_shown *items = grown(p->arena, p->shown, p->shown_count, sizeof *items, &p->shown_cap);
    if (!items || p->unseen || p->shown_count == SHOWN_MAX)
        return;
    p->shown = items;
    items[p->shown_count] = *shown;
    items[p->shown_count++].result = (uint32_t)p->part;
    p->shown_before = p->shown_count;
}

/* What EXECUTE runs changes what it would change by itself. */
static void note_run(struct run *run, const struct rewrite_result *runs)
{
    run->out->facts |= runs->facts & ~(uint32_t)(FACT_READS | FACT_WRITES);
    if (runs->modes_set && !run->plan.session->want_parts)
        run->modes_set = run->look = true;
    if (runs->facts & FACT_USE) {
        run->plan.database = run->out->use_database = runs->use_database;
        run->look = true;
    }
    for (size_t i = 0; i < runs->temporary_count; i++)
        if (!add_temporary(run, runs->temporary[i]))
            return;
    for (size_t i = 0; i < runs->shown_count; i++)
        note_shown(&run->plan, &runs->shown[i]);
}

/* Whether SET may choose a character set that the text does not name: by its number, DEFAULT, or an
 * expression. */
static bool sets_some_charset(const struct plan *p, const struct stmt *s)
{
    for (const struct expr *e = s->exprs; e; e = e->next) {
        const struct expr *target = e->args, *value = target ? target->next : NULL;
        if (!value || target->kind != EXPR_SYS_VAR)
            continue;
        struct span name = target->name.text, text = span_in(p->text, value->range);
        bool named = value->kind == EXPR_LITERAL && !lex_is(text.ptr[0], CLASS_DIGIT) &&
                     !span_ieq(text, SPAN("DEFAULT"));
        if (!named && (span_ieq(name, SPAN("character_set_client")) || span_ieq(name, SPAN("names")) ||
                       span_ieq(name, SPAN("character")) || span_ieq(name, SPAN("char")) ||
                       span_ieq(name, SPAN("charset"))))
            return true;
    }
    return false;
}

/* Whether SET names a variable with letters beyond ASCII: MySQL takes some for others (sql_mòde for
 * sql_mode). */
static bool sets_folded(const struct stmt *s)
{
    for (const struct expr *e = s->exprs; e; e = e->next)
        if (e->args && e->args->kind == EXPR_SYS_VAR && !span_is_ascii(e->args->name.text))
            return true;
    return false;
}

/* Whether SET may change anything of what texts are read by, or of what the server tells of that: the names
 * of all such variables have one of these words in them, or letters beyond ASCII in the place of some. Most
 * SETs are of others (autocommit, a transaction's isolation, the user's own). */
static bool sets_modes(struct span text)
{
    static const char *const words[] = {"mode", "names", "char", "collation", "track"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (contains(text, span_of(words[i])))
            return true;
    return !span_is_ascii(text);
}

/* What SET may change of how the rest of the text is read. */
static void note_modes(struct run *run, const struct stmt *s)
{
    static const char *const words[] = {"sql_mode", "gbk", "big5", "sjis", "cp932", "gb18030"};
    static const char *const charsets[] = {"names", "charset", "character", "collation"};
    struct plan *p = &run->plan;
    struct span text = span_in(p->text, s->range);
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (contains(text, span_of(words[i])))
            run->modes_set = run->look = true;
    if (sets_folded(s))
        run->modes_set = run->look = p->charset_set = true;
    if (sets_some_charset(p, s))
        run->modes_set = run->look = true;
    for (size_t i = 0; i < sizeof charsets / sizeof charsets[0]; i++)
        p->charset_set = p->charset_set || contains(text, span_of(charsets[i]));
}

void note_facts(struct run *run, const struct stmt *s)
{
    struct plan *p = &run->plan;
    p->acted = p->acted || (s->kind != STMT_PREPARE && s->kind != STMT_DEALLOCATE);
    if (p->runs) {
        note_run(run, p->runs);
        p->unseen = p->unseen || run->out->facts & FACT_PREPARED;
        return;
    }
    uint32_t facts = facts_of(s);
    if (s->kind == STMT_SET && sets_modes(span_in(p->text, s->range)))
        facts |= FACT_MODES;
    run->out->facts |= facts;
    p->unseen = p->unseen || facts & FACT_PREPARED;
    if (facts & FACT_USE) {
        p->database = s->name.text;
        run->out->use_database = s->name.text;
        run->look = true;
    }
    if (facts & FACT_TEMPORARY)
        note_temporary(run, s);
    if (s->kind == STMT_SET && !p->session->want_parts)
        note_modes(run, s);
}
