/* Select items that share a name, as in SELECT *, UPPER(a) AS a. In ORDER BY and HAVING the server takes the
 * first of them that is an expression, and a plain column only where there is none. A column in front that
 * becomes an expression itself would so be taken in its place. */
#include "proxy/rewrite/plan.h"

/* Whether the star shows an old column of that name which becomes an expression. */
static bool star_flips(struct plan *p, const struct scope *s, const struct expr *star, struct span name)
{
    const struct source *of =
        name_given(&star->table) ? source_named(p, s, &star->db, &star->table) : s->first;
    for (; of; of = name_given(&star->table) ? NULL : of->next) {
        struct column_ref ref;
        if (source_column(of, name, &ref) && must_flip(&ref) && !ref.column->value.plain_column)
            return true;
    }
    return false;
}

const struct select_item *item_behind(struct plan *p, const struct scope *s, const struct expr *e,
                                      unsigned *position)
{
    bool flipped = false, star = false;
    *position = 0;
    if (e->kind != EXPR_COLUMN || name_given(&e->table) || !s->select)
        return NULL;
    unsigned at = 0;
    for (const struct select_item *item = s->select->items; item; item = item->next) {
        const struct expr *shown = bare(item->expr);
        at++;
        if (shown->kind == EXPR_STAR) {
            star = true;
            flipped = flipped || star_flips(p, s, shown, e->name.text);
        } else if (span_ieq(item_label(item), e->name.text)) {
            *position = star ? 0 : at;
            if (shown->kind != EXPR_COLUMN)
                return flipped ? item : NULL;
            flipped = flipped || flips_to_expression(p, s, shown);
        }
    }
    return NULL;
}

void repeat_item(struct plan *p, const struct select_item *item, struct range at, unsigned position)
{
    bool is_ready = item->expr->range.off < at.off && !item->expr->has_query;
    if (position)
        edits_replace(&p->edits, at, position_text(p, position));
    else if (is_ready && is_repeatable(p, item->expr->range))
        spell_out(p, item, at);
    else
        refuse_about(p, NULL, "several items have the name %.*s, and one of them is to become an expression",
                     item_label(item), "give them different aliases");
    p->flips++;
}
