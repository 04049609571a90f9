/* Walks over the syntax tree. */
#include "proxy/sql/parser.h"

bool expr_walk(struct expr *e, bool (*visit)(struct expr *e, void *ctx), void *ctx)
{
    if (!e)
        return true;
    if (!visit(e, ctx))
        return false;
    for (struct expr *arg = e->args; arg; arg = arg->next)
        if (!expr_walk(arg, visit, ctx))
            return false;
    for (struct expr *part = e->window; part; part = part->next)
        if (!expr_walk(part, visit, ctx))
            return false;
    return true;
}
