/* Edits over a statement's bytes: what is not edited goes to the backend as it came.
 *
 *     text    INSERT INTO t (id, old) VALUES (1, 'x')
 *     edits                        ^ insert        ^ insert     (offset, length, replacement)
 *
 * Edits are disjoint; they may be added in any order and are sorted once. Two insertions at one offset
 * stay in the order in which they were added. A replacement may hold copies of the statement's parameter
 * markers: a fragment knows which. */
#ifndef PROXY_REWRITE_EDITS_H
#define PROXY_REWRITE_EDITS_H

#include "protocol/buf.h"
#include "proxy/sql/arena.h"
#include "proxy/sql/ast.h"

/* Text to be put into a statement, and the original's markers that stand in it, in order. */
struct fragment {
    struct span text;
    const uint32_t *params; /* entries as in protocol/parameter_map.h */
    uint32_t param_count;
};

/* Text that is put into every row of a run, behind the value at `place`. */
struct row_text {
    uint32_t place;
    struct span text;
};

/* What a run of rows of VALUES gets: many insertions as one edit. */
struct run_edit {
    const struct value_row *run;
    const struct row_text *texts; /* by place */
    uint32_t count;
};

struct edit {
    uint32_t off, len;
    struct fragment with;
    const struct run_edit *rows; /* over a run: with.text has only the length of what is added to it */
};

struct edits {
    struct arena *arena;
    struct edit *items;
    uint32_t count, cap;
    bool unsorted;
    bool repeats_params; /* some fragment holds markers */
};

/* The offsets of the statement's markers, in text order. */
struct markers {
    const uint32_t *offs;
    uint32_t count;
};

void edits_init(struct edits *e, struct arena *arena);
void edits_replace(struct edits *e, struct range r, struct fragment with);
void edits_insert(struct edits *e, uint32_t off, struct fragment with);

/* Puts texts into every row of a run, which nothing else edits; the texts are kept, not copied. */
void edits_insert_rows(struct edits *e, const struct value_row *run, const struct row_text *texts,
                       uint32_t count);

/* Forgets the edits from the `count`-th added on. Only while they are unsorted or were added in order. */
void edits_truncate(struct edits *e, uint32_t count);

/* The bytes of `r` with the edits within it applied; `with_end`: insertions right behind it too. Markers
 * are counted only where `markers` is given. Sorts the edits. The text is put behind what `into` holds, whose
 * end is left for the caller to move (NULL: into the arena); it is `text` itself, uncopied, where nothing
 * within `r` is edited. */
struct fragment edits_render(struct edits *e, struct span text, struct range r, bool with_end,
                             const struct markers *markers, struct buf *into);

/* The same over the text itself, which `over` holds (what is behind it there goes), where runs of rows are
 * edited and else there are insertions alone: a large INSERT needs no second memory. Gives where the text is
 * then; NULL, and nothing is done, where there are other edits (or memory is out, and `over` has failed). */
const char *edits_apply_over(struct edits *e, struct span text, struct buf *over, size_t *len);

/* A growing text in the arena. */
struct builder {
    struct arena *arena;
    char *text;
    size_t len, cap;
    uint32_t *params;
    uint32_t param_count, param_cap;
};

void builder_add(struct builder *b, struct span s);
void builder_add_fragment(struct builder *b, struct fragment f);
void builder_add_param(struct builder *b, uint32_t param);
struct fragment builder_done(const struct builder *b);

static inline struct fragment fragment_of(struct span text)
{
    return (struct fragment){text, NULL, 0};
}

static inline struct span span_in(struct span text, struct range r)
{
    return (struct span){text.ptr + r.off, r.len};
}

#endif
