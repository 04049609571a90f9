/* Tables in their old shape: a table reference becomes a derived table that shows what the table showed
 * before its migrations, the old columns by their backward expressions:
 *
 *     … FROM a NATURAL JOIN b            (a: id, old, new; cutover)
 *     … FROM (SELECT `id`, b(new) AS `old` FROM a) AS `a` NATURAL JOIN b
 *
 * The server merges it, so that conditions still find their indexes, and every name of the query means what
 * it meant. It is the last resort, for what names alone cannot be given an expression for: `*` and joins by
 * name over several tables, WITH ROLLUP, HAVING. It is planned only when the ordinary plan was refused
 * (plan_old_shape), and only where nothing can see the difference:
 *     - queries that lock nothing: FOR UPDATE outside of a derived table does not reach within
 *     - no window functions: the server finds a renamed column ambiguous there
 *     - no totals (WITH ROLLUP) of expressions: their value is stale
 *     - no subqueries beside GROUP BY: a merged column that one reads has another group's value
 *     - no word in the text that needs the table itself: MATCH, DEFAULT(), PROCEDURE, names like
 * db.table.column, or a column that the old shape does not have
 *
 * MySQL finds no merged column in HAVING: there a hint keeps the derived table apart. */
#include "proxy/rewrite/expression.h"
#include "proxy/rewrite/plan.h"
#include "proxy/sql/lexer.h"

/* ---- which queries ---- */

static bool joins_by_name(const struct table_ref *ref)
{
    for (; ref; ref = ref->next)
        if ((ref->kind == TABLE_JOIN && (ref->natural || ref->using || joins_by_name(ref->right))) ||
            ((ref->kind == TABLE_JOIN || ref->kind == TABLE_PAREN) && joins_by_name(ref->left)))
            return true;
    return false;
}

/* What keeps a select from being given its old shape. */
enum { HAS_WINDOW = 1, HAS_SUBQUERY = 2 };

static unsigned parts_of(const struct expr *e)
{
    unsigned found = (e->windowed ? HAS_WINDOW : 0) | (e->query ? HAS_SUBQUERY : 0);
    for (const struct expr *a = e->args; a; a = a->next)
        found |= parts_of(a);
    return found;
}

static unsigned parts_of_all(const struct order_item *o)
{
    unsigned found = 0;
    for (; o; o = o->next)
        found |= parts_of(o->expr);
    return found;
}

/* Whether the totals are over columns: those of an expression over merged ones have a stale value. */
static bool totals_columns(const struct select *select)
{
    for (const struct order_item *g = select->rollup ? select->group : NULL; g; g = g->next)
        if (g->expr->kind != EXPR_COLUMN)
            return false;
    return true;
}

bool sorts_distinct(const struct plan *p, const struct query *q, const struct select *select)
{
    if (p->rules->mariadb || !(p->session->dialect.modes & SQL_ONLY_FULL_GROUP_BY) || !select->distinct)
        return false;
    for (const struct order_item *o = q ? q->order : NULL; o; o = o->next)
        if (o->expr->kind != EXPR_COLUMN)
            return true;
    return false;
}

bool wants_old_shape(const struct plan *p, const struct query *q, const struct select *select)
{
    bool groups = select->group || select->having || sorts_distinct(p, q, select);
    if (!p->reshapes || (!groups && !joins_by_name(select->from)))
        return false;
    unsigned found = parts_of_all(select->group) | parts_of_all(q ? q->order : NULL);
    for (const struct select_item *item = select->items; item; item = item->next)
        found |= parts_of(item->expr);
    if (select->having)
        found |= parts_of(select->having);
    return !(found & HAS_WINDOW) && !select->windows && !select->qualify && totals_columns(select) &&
           !(groups && found & HAS_SUBQUERY);
}

/* ---- what the text may not name ---- */

/* A name's text without its quotes, as far as it needs to be compared. */
static struct span bare_name(struct span token, int type)
{
    return type == TOK_QUOTED && token.len > 1 ? (struct span){token.ptr + 1, token.len - 2} : token;
}

/* Whether the name is one of a column that `*` does not show. */
static bool is_left_out(const struct source *s, struct span name)
{
    const struct catalog_column *c = catalog_column_of(s->table, name);
    return c && !in_old_shape(s, c);
}

/* Whether the statement names what a derived table would not have. */
static bool names_more(struct plan *p, const struct source *s)
{
    static const char *const words[] = {"match", "default", "procedure"};
    struct lexer lx;
    unsigned dots = 0; /* of the name that goes on */
    bool was_dot = false;
    lex_init(&lx, &p->session->dialect, (struct span){p->text.ptr, range_end(p->stmt->range)});
    lx.pos = p->stmt->range.off;
    for (struct token t = lex_next_significant(&lx); t.type != TOK_END; t = lex_next_significant(&lx)) {
        struct span name = bare_name((struct span){p->text.ptr + t.off, t.len}, t.type);
        bool is_name = t.type == TOK_WORD || t.type == TOK_QUOTED;
        if (t.type == TOK_BAD || (is_name && is_left_out(s, name)))
            return true;
        for (size_t i = 0; t.type == TOK_WORD && i < sizeof words / sizeof *words; i++)
            if (span_ieq(name, span_of(words[i])))
                return true;
        dots = t.type == '.' ? dots + 1 : was_dot ? dots : 0;
        was_dot = t.type == '.';
        if (dots > 1)
            return true;
    }
    return false;
}

/* ---- the derived table ---- */

static bool flips(const struct source *s)
{
    for (uint32_t i = 0; i < s->rule_count; i++)
        if (rule_flips(s->rules[i]))
            return true;
    return false;
}

static struct span select_list(struct plan *p, const struct source *s)
{
    struct builder b = {.arena = p->arena};
    builder_add(&b, SPAN("(SELECT "));
    bool first = true;
    for (size_t i = 0; i < s->table->column_count; i++) {
        const struct catalog_column *c = &s->table->columns[i];
        struct column_ref ref;
        if (!in_old_shape(s, c))
            continue;
        if (!first)
            builder_add(&b, SPAN(", "));
        first = false;
        if (source_column(s, c->name, &ref) && rule_flips(ref.rule)) {
            builder_add_fragment(&b, expression_text(p, &ref.column->value, SPAN(""), NULL, 0));
            builder_add(&b, SPAN(" AS "));
        }
        builder_add(&b, quoted_name(p->arena, c->name));
    }
    builder_add(&b, SPAN(" FROM "));
    return builder_done(&b).text;
}

/* What is left of the table for those who name its columns. How the server describes those that stay what
 * they are, it will tell itself. */
static const struct catalog_table *shown_table(struct plan *p, const struct source *s)
{
    struct catalog_table *t = arena_new_of(p->arena, struct catalog_table);
    struct catalog_column *columns = arena_alloc(p->arena, (s->table->column_count + 1) * sizeof *columns);
    if (arena_failed(p->arena))
        return s->table;
    *t = *s->table;
    t->columns = columns;
    t->column_count = 0;
    for (size_t i = 0; i < s->table->column_count; i++) {
        struct column_ref ref;
        if (!in_old_shape(s, &s->table->columns[i]))
            continue;
        columns[t->column_count] = s->table->columns[i];
        if (!source_column(s, s->table->columns[i].name, &ref) || !rule_flips(ref.rule))
            columns[t->column_count].facts.known = false;
        t->column_count++;
    }
    return t;
}

/* Totals are NULL, and the servers disagree with themselves about HAVING's IS NULL where the column is not.
 */
static bool is_null_in_totals(const struct select *select, const struct source *s)
{
    for (size_t i = 0; select->rollup && select->having && i < s->table->column_count; i++) {
        struct column_ref ref;
        const struct catalog_column *c = &s->table->columns[i];
        if (!c->nullable && source_column(s, c->name, &ref) && must_flip(&ref))
            return true;
    }
    return false;
}

/* Adds the hint NO_MERGE to the select, among its own where it has some. Conditions are still pushed down
 * into the table. */
static void keep_apart(struct plan *p, const struct select *select, const struct source *s)
{
    struct builder b = {.arena = p->arena};
    uint32_t at = select->range.off + (uint32_t)strlen("SELECT"), hints = at;
    while (lex_is(p->text.ptr[hints], CLASS_SPACE))
        hints++;
    bool has_hints = range_end(select->range) - hints > 3 && memcmp(p->text.ptr + hints, "/*+", 3) == 0;
    builder_add(&b, has_hints ? SPAN(" NO_MERGE(") : SPAN(" /*+ NO_MERGE("));
    builder_add(&b, s->qualifier);
    builder_add(&b, has_hints ? SPAN(")") : SPAN(") */"));
    edits_insert(&p->edits, has_hints ? hints + 3 : at, builder_done(&b));
}

void show_in_old_shape(struct plan *p, const struct select *select, const struct table_ref *ref,
                       struct source *s)
{
    if (s->table && is_null_in_totals(select, s))
        return;
    if (!flips(s) || !s->table || s->table->is_view || ref->portion || ref->system_time || names_more(p, s))
        return;
    struct builder b = {.arena = p->arena};
    s->qualifier = name_given(&ref->alias) ? span_in(p->text, ref->alias.range)
                                           : quoted_name(p->arena, ref->name.table.text);
    builder_add(&b, SPAN(") AS "));
    builder_add(&b, s->qualifier);
    edits_insert(&p->edits, ref->range.off, fragment_of(select_list(p, s)));
    edits_insert(&p->edits, range_end(ref->range), builder_done(&b));
    if (select->having && !p->rules->mariadb)
        keep_apart(p, select, s);
    for (uint32_t i = 0; i < s->rule_count; i++)
        for (size_t k = 0; k < s->rules[i]->old_count; k++)
            touch(p, s->rules[i], s->rules[i]->old_columns[k].name, false);
    s->table = shown_table(p, s);
    s->rule_count = 0;
    s->reshaped = true;
    p->flips++;
    p->reshaped++;
}

bool is_respelled(const struct scope *s, const struct expr *e)
{
    for (const struct source *source = s->first; source; source = source->next) {
        const struct catalog_column *c =
            source->reshaped ? catalog_column_of(source->table, e->name.text) : NULL;
        if (c && !span_eq(c->name, e->name.text))
            return true;
    }
    return false;
}
