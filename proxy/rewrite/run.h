/* One text on its way through the rewriter: its statements' plans one after the other (rewrite.c), and what
 * they change that those behind them, and the session, have to know (effects.c). Private to these two. */
#ifndef PROXY_REWRITE_RUN_H
#define PROXY_REWRITE_RUN_H

#include "proxy/rewrite/plan.h"

#define SHOWN_MAX 16384 /* columns of a text's results that are told of: a session keeps them */

/* All statements of one text. */
struct run {
    struct plan plan;
    struct rewrite_result *out;
    struct rewrite_part *parts;
    size_t part_count, part_cap;
    struct rewrite_temporary *temporary;
    size_t temporary_count, temporary_cap;
    bool modes_set; /* an earlier statement of the text sets sql_mode or a character set */
    bool look;      /* what the rest of the text names under such modes is not known yet */
    unsigned looks;
    const struct rule *in_rest; /* what it names; NULL: nothing */
};

/* Notes what a statement that has been planned changes: the result's facts, its temporary tables, the
 * database, and how the rest of the text is read. */
void note_facts(struct run *run, const struct stmt *s);

/* Notes how a column of a result is to be described; beyond a bound they are left as they are. */
void note_shown(struct plan *p, const struct rewrite_shown *shown);

#endif
