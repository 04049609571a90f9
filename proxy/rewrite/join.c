/* Joins by name: USING and NATURAL.
 *
 * Where one of the columns that they compare is an old one that is read from the new side, no name is left to
 * join by, and the join becomes one by condition:
 *     a JOIN b USING (id, old)      →  a JOIN b ON a.`id` = b.`id` AND f(a.new) = f(b.new)
 * A name alone means the left table's column then, as it did before: the right one's is hidden, and what was
 * joined by is qualified wherever it stands alone (qualify_shared). What is not so plain is refused. */
#include "proxy/rewrite/expression.h"
#include "proxy/rewrite/plan.h"
#include "proxy/sql/lexer.h"

/* ---- what cannot be joined otherwise ---- */

static void check_using(struct plan *p, struct source *from, const struct name_list *using)
{
    for (; using; using = using->next)
        for (struct source *s = from; s; s = s->next) {
            struct column_ref ref;
            if (!source_column(s, using->name.text, &ref))
                continue;
            touch(p, ref.rule, ref.column->name, false);
            if (must_flip(&ref))
                refuse_about(p, ref.rule, "USING joins by %.*s", ref.column->name, "join with ON");
        }
}

/* NATURAL joins by every name that both sides have: none of them may be an old column that is flipped, and
 * no new column may take part. */
static void check_natural(struct plan *p, struct source *from, struct source *right)
{
    bool on_right = false;
    for (struct source *s = from; s; s = s->next) {
        on_right = on_right || s == right;
        for (uint32_t i = 0; i < s->rule_count; i++) {
            const struct rule *r = s->rules[i];
            struct source *other = on_right ? from : right, *end = on_right ? right : NULL;
            for (; rule_flips(r) && other != end; other = other->next)
                for (size_t k = 0; k < r->old_count; k++)
                    if (source_has(p, other, r->old_columns[k].name) != HAS_NOT)
                        refuse_about(p, r, "NATURAL JOIN may join by %.*s", r->old_columns[k].name,
                                     "join with ON");
        }
    }
}

static bool is_used(const struct name_list *using, struct span name)
{
    for (; using; using = using->next)
        if (span_ieq(using->name.text, name))
            return true;
    return false;
}

/* A name that an earlier join compared by condition is two columns now, and no join finds it by name. */
static void check_earlier(struct plan *p, const struct scope *s, const struct table_ref *join)
{
    for (const struct joined_name *n = s->joined; n; n = n->next)
        if (n->by_condition && (join->natural || is_used(join->using, n->name)))
            refuse_about(p, NULL, join->natural ? "NATURAL JOIN may join by %.*s" : "USING joins by %.*s",
                         n->name, "join with ON");
}

/* ---- the condition ---- */

/* The one table of [from, end) that shows the column; NULL: none, several, or it is not certain. */
static const struct source *one_with(struct plan *p, const struct scope *s, const struct source *from,
                                     const struct source *end, struct span name, bool visible)
{
    const struct source *found = NULL;
    for (const struct source *o = from; o != end; o = o->next) {
        struct column_ref ref;
        const struct catalog_column *c = o->table ? catalog_column_of(o->table, name) : NULL;
        enum knowledge k = source_has(p, o, name);
        if (k == HAS_NOT || is_hidden(s, o, name) || (visible && c && c->invisible))
            continue;
        if (k == MAY_HAVE || found || (source_column(o, name, &ref) && ref.is_new))
            return NULL;
        found = o;
    }
    return found;
}

static bool flips_in(const struct source *s, struct span name)
{
    struct column_ref ref;
    return source_column(s, name, &ref) && must_flip(&ref);
}

static struct fragment side_text(struct plan *p, const struct source *s, struct span name)
{
    struct column_ref ref;
    bool is_rules = source_column(s, name, &ref);
    if (is_rules)
        touch(p, ref.rule, ref.column->name, false);
    return is_rules && must_flip(&ref) ? flipped_text(p, &ref)
                                       : fragment_of(column_text(p, s->qualifier, name));
}

/* What a join by name compares. */
struct compared {
    struct plan *p;
    struct scope *s;
    const struct source *left, *right;
    bool natural;
    bool flips;
    bool assigned; /* one of the names alone, which means the left side's while it is one name */
    struct builder condition;
    struct joined_name *names;
};

/* Whether the statement assigns to the name alone. */
static bool is_set(const struct stmt *s, struct span name)
{
    for (const struct assignment *a = s->kind == STMT_UPDATE ? s->update->set : NULL; a; a = a->next)
        if (!name_given(&a->column->table) && span_ieq(a->column->name.text, name))
            return true;
    return false;
}

static bool compare(struct compared *c, struct span name)
{
    struct plan *p = c->p;
    const struct source *l = one_with(p, c->s, c->left, c->right, name, c->natural);
    const struct source *r = one_with(p, c->s, c->right, NULL, name, c->natural);
    if (!l || !r)
        return false;
    c->assigned = c->assigned || (!c->s->select && is_set(p->stmt, name));
    c->flips = c->flips || flips_in(l, name) || flips_in(r, name) ||
               joined_owner(c->s, name); /* no more one name on that side */
    builder_add(&c->condition, c->condition.len ? SPAN(" AND ") : SPAN(" ON "));
    builder_add_fragment(&c->condition, side_text(p, l, name));
    builder_add(&c->condition, SPAN(" = "));
    builder_add_fragment(&c->condition, side_text(p, r, name));
    struct joined_name *joined = arena_new_of(p->arena, struct joined_name);
    *joined = (struct joined_name){.name = name, .owner = l, .hidden = r, .next = c->names};
    c->names = joined;
    return true;
}

/* NATURAL: every column that both sides show. */
static bool compare_common(struct compared *c)
{
    for (const struct source *o = c->left; o; o = o->next) {
        if (o->kind != SOURCE_TABLE || !o->table)
            return false;
        for (size_t i = 0; i < o->table->column_count; i++)
            if (!o->table->columns[i].invisible && !in_old_shape(o, &o->table->columns[i]))
                return false;
    }
    for (const struct source *l = c->left; l != c->right; l = l->next)
        for (size_t i = 0; i < l->table->column_count; i++) {
            const struct catalog_column *column = &l->table->columns[i];
            bool common = false;
            for (const struct source *r = c->right; r && !column->invisible; r = r->next) {
                const struct catalog_column *other = catalog_column_of(r->table, column->name);
                common = common || (other && !other->invisible && !is_hidden(c->s, r, column->name));
            }
            if (common && !is_hidden(c->s, l, column->name) && !compare(c, column->name))
                return false;
        }
    return true;
}

/* Takes the word NATURAL away. */
static void drop_natural(struct plan *p, const struct table_ref *join)
{
    struct lexer lx;
    lex_init(&lx, &p->session->dialect, (struct span){p->text.ptr, join->right->range.off});
    lx.pos = range_end(join->left->range);
    for (struct token t = lex_next_significant(&lx); t.type != TOK_END; t = lex_next_significant(&lx))
        if (t.type == TOK_WORD && span_ieq((struct span){p->text.ptr + t.off, t.len}, SPAN("natural"))) {
            edits_replace(&p->edits, (struct range){t.off, t.len}, fragment_of(SPAN("")));
            return;
        }
}

void join_by_condition(struct plan *p, struct scope *s, const struct table_ref *join, struct source *left,
                       struct source *right)
{
    struct compared c = {.p = p, .s = s, .left = left, .right = right, .natural = join->natural};
    bool known = join->join != JOIN_RIGHT && left && right;
    c.condition.arena = p->arena;
    for (const struct name_list *n = join->using; n && known; n = n->next)
        known = compare(&c, n->name.text);
    if (join->natural)
        known = known && compare_common(&c);
    if (!known || (c.flips && c.assigned)) {
        check_earlier(p, s, join);
        check_using(p, left, join->using);
        if (join->natural)
            check_natural(p, left, right);
        return;
    }
    for (struct joined_name *n = c.names, *next; n; n = next) {
        next = n->next;
        n->by_condition = c.flips;
        n->next = s->joined;
        s->joined = n;
    }
    if (!c.flips)
        return;
    uint32_t end = range_end(join->right->range);
    if (join->natural) {
        drop_natural(p, join);
        edits_insert(&p->edits, end, builder_done(&c.condition));
    } else {
        edits_replace(&p->edits, (struct range){end, range_end(join->range) - end},
                      builder_done(&c.condition));
    }
    p->flips++;
}
