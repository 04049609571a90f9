/* The list of edits, its one sort, and the text that it makes. */
#include "proxy/rewrite/edits.h"

#include <assert.h>

#include "proxy/sql/lexer.h"

/* Room for `need` more of `size` bytes each behind `used`; the arena's failure is left to its owner, but
 * nothing is written beyond what there is. */
static bool grow(struct arena *arena, void **items, size_t used, size_t need, size_t size, size_t *cap)
{
    if (*cap - used >= need)
        return true;
    if (arena_failed(arena))
        return false;
    size_t larger = *cap ? *cap * 2 : size == 1 ? 64 : 4;
    while (larger - used < need)
        larger *= 2;
    void *grown = arena_alloc(arena, larger * size);
    if (arena_failed(arena))
        return false;
    if (used)
        memcpy(grown, *items, used * size);
    *items = grown;
    *cap = larger;
    return true;
}

void edits_init(struct edits *e, struct arena *arena)
{
    *e = (struct edits){.arena = arena};
}

static void add(struct edits *e, struct edit item)
{
    size_t cap = e->cap;
    void *items = e->items;
    if (!grow(e->arena, &items, e->count, 1, sizeof *e->items, &cap))
        return;
    e->items = items;
    e->cap = (uint32_t)cap;
    if (e->count && item.off < e->items[e->count - 1].off + e->items[e->count - 1].len)
        e->unsorted = true;
    e->items[e->count++] = item;
    e->repeats_params = e->repeats_params || item.with.param_count;
}

void edits_replace(struct edits *e, struct range r, struct fragment with)
{
    add(e, (struct edit){r.off, r.len, with, NULL});
}

void edits_insert(struct edits *e, uint32_t off, struct fragment with)
{
    add(e, (struct edit){off, 0, with, NULL});
}

void edits_insert_rows(struct edits *e, const struct value_row *run, const struct row_text *texts,
                       uint32_t count)
{
    struct run_edit *rows = arena_new_of(e->arena, struct run_edit);
    size_t added = 0;
    *rows = (struct run_edit){run, texts, count};
    for (uint32_t i = 0; i < count; i++)
        added += texts[i].text.len;
    if (!arena_failed(e->arena))
        add(e, (struct edit){run->range.off, run->range.len,
                             fragment_of((struct span){NULL, added * run->run}), rows});
}

void edits_truncate(struct edits *e, uint32_t count)
{
    assert(count <= e->count);
    e->count = count;
}

/* Whether a must stand before b where b was added later. An insertion at the offset where a replacement
 * begins goes before it. */
static bool in_order(const struct edit *a, const struct edit *b)
{
    return a->off < b->off || (a->off == b->off && (a->len == 0 || b->len != 0));
}

/* Bottom-up merge sort: stable, n log n, and no recursion on what a client sent. */
static void sort(struct edits *e)
{
    if (!e->unsorted)
        return;
    struct edit *from = e->items, *to = arena_alloc(e->arena, e->cap * sizeof *to);
    if (arena_failed(e->arena))
        return;
    for (uint32_t width = 1; width < e->count; width *= 2) {
        for (uint32_t left = 0; left < e->count; left += 2 * width) {
            uint32_t middle = e->count - left < width ? e->count : left + width;
            uint32_t end = e->count - middle < width ? e->count : middle + width;
            uint32_t a = left, b = middle;
            for (uint32_t k = left; k < end; k++)
                to[k] = a < middle && (b >= end || in_order(&from[a], &from[b])) ? from[a++] : from[b++];
        }
        struct edit *swap = from;
        from = to;
        to = swap;
    }
    e->items = from;
    e->unsorted = false;
}

void builder_add(struct builder *b, struct span s)
{
    if (s.len == 0)
        return;
    if (b->cap - b->len < s.len) {
        void *text = b->text;
        if (!grow(b->arena, &text, b->len, s.len, 1, &b->cap))
            return;
        b->text = text;
    }
    memcpy(b->text + b->len, s.ptr, s.len);
    b->len += s.len;
}

void builder_add_param(struct builder *b, uint32_t param)
{
    void *params = b->params;
    size_t cap = b->param_cap;
    if (!grow(b->arena, &params, b->param_count, 1, sizeof *b->params, &cap))
        return;
    b->params = params;
    b->param_cap = (uint32_t)cap;
    b->params[b->param_count++] = param;
}

void builder_add_fragment(struct builder *b, struct fragment f)
{
    builder_add(b, f.text);
    for (uint32_t i = 0; i < f.param_count; i++)
        builder_add_param(b, f.params[i]);
}

struct fragment builder_done(const struct builder *b)
{
    return (struct fragment){{b->text ? b->text : "", b->len}, b->params, b->param_count};
}

/* The first edit at or behind `off`. */
static uint32_t first_at(const struct edits *e, uint32_t off)
{
    uint32_t low = 0, high = e->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (e->items[middle].off < off)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* For a builder that was given all the room that it needs. */
static inline void put(struct builder *b, struct span s)
{
    assert(s.len <= b->cap - b->len);
    if (s.len > 0)
        memcpy(b->text + b->len, s.ptr, s.len);
    b->len += s.len;
}

/* Copies untouched bytes [from, to), with the markers in them; *next is the next marker to come. */
static void copy_bytes(struct builder *b, struct span text, uint32_t from, uint32_t to,
                       const struct markers *markers, uint32_t *next)
{
    put(b, (struct span){text.ptr + from, to - from});
    if (!markers)
        return;
    while (*next < markers->count && markers->offs[*next] < from)
        ++*next;
    for (; *next < markers->count && markers->offs[*next] < to; ++*next)
        builder_add_param(b, *next);
}

/* `SELECT`old`FROM` needs no blanks, but what takes the name's place may. */
static void keep_apart(struct builder *b, char before, char behind)
{
    if (lex_is(before, CLASS_IDENT) && lex_is(behind, CLASS_IDENT))
        put(b, SPAN(" "));
}

/* A run of rows with its texts in it. */
static void add_rows(struct builder *b, struct span text, const struct edit *edit)
{
    const struct value_row *run = edit->rows->run;
    void *items = b->text;
    if (!grow(b->arena, &items, b->len, edit->len + edit->with.text.len, 1, &b->cap))
        return;
    b->text = items;
    char *to = b->text + b->len;
    const char *from = text.ptr + edit->off;
    const uint32_t *ends = run->ends;
    for (uint32_t r = 0; r < run->run; r++, ends += run->count)
        for (uint32_t i = 0; i < edit->rows->count; i++) {
            const struct row_text *t = &edit->rows->texts[i];
            const char *end = text.ptr + ends[t->place];
            to = mempcpy(to, from, (size_t)(end - from));
            to = mempcpy(to, t->text.ptr, t->text.len);
            from = end;
        }
    to = mempcpy(to, from, (size_t)(text.ptr + edit->off + edit->len - from));
    b->len = (size_t)(to - b->text);
}

static void add_edit(struct builder *b, struct span text, const struct edit *edit)
{
    if (edit->rows) {
        add_rows(b, text, edit);
        return;
    }
    struct span with = edit->with.text;
    uint32_t end = edit->off + edit->len;
    if (edit->len && with.len && b->len)
        keep_apart(b, b->text[b->len - 1], with.ptr[0]);
    put(b, with);
    for (uint32_t i = 0; i < edit->with.param_count; i++)
        builder_add_param(b, edit->with.params[i]);
    if (edit->len && with.len && end < text.len)
        keep_apart(b, with.ptr[with.len - 1], text.ptr[end]);
}

struct fragment edits_render(struct edits *e, struct span text, struct range r, bool with_end,
                             const struct markers *markers, struct buf *into)
{
    sort(e);
    uint32_t first = first_at(e, r.off), last = first, at = r.off, next = 0;
    size_t size = r.len;
    for (; last < e->count; last++) {
        const struct edit *edit = &e->items[last];
        if (edit->off + edit->len > range_end(r) || (edit->off == range_end(r) && !with_end))
            break;
        size += edit->with.text.len + 2; /* and blanks around it */
    }
    if (arena_failed(e->arena))
        return fragment_of(SPAN(""));
    if (first == last && !markers)
        return fragment_of(span_in(text, r));
    struct builder b = {.arena = e->arena, .cap = size};
    if (!into)
        b.text = arena_alloc(e->arena, size + 1);
    else if (buf_reserve(into, size))
        b.text = into->data + into->end;
    if (arena_failed(e->arena) || !b.text)
        return fragment_of(SPAN(""));
    for (uint32_t i = first; i < last; i++) {
        const struct edit *edit = &e->items[i];
        copy_bytes(&b, text, at, edit->off, markers, &next);
        add_edit(&b, text, edit);
        at = edit->off + edit->len;
    }
    copy_bytes(&b, text, at, range_end(r), markers, &next);
    assert(b.cap == size);
    return builder_done(&b);
}

/* ---- in place ---- */

/* How many bytes the edits add, if they can be applied in place; 0: they cannot. */
static size_t added_in_place(const struct edits *e, struct span text)
{
    size_t added = 0;
    bool runs = false;
    for (uint32_t i = 0; i < e->count; i++) {
        const struct edit *edit = &e->items[i];
        struct span with = edit->with.text;
        if (!edit->rows && (edit->len > 0 || (with.ptr >= text.ptr && with.ptr < text.ptr + text.len)))
            return 0;
        runs = runs || edit->rows;
        added += with.len;
    }
    return runs && !e->repeats_params ? added : 0;
}

/* Bytes on their way to the right: those up to `from` stand where they stood, those from `to` on are done. */
struct shift {
    char *text;
    size_t from, to;
};

static void shift_down_to(struct shift *s, size_t off)
{
    size_t n = s->from - off;
    s->to -= n;
    s->from = off;
    memmove(s->text + s->to, s->text + off, n);
}

static void shift_insert(struct shift *s, struct span with)
{
    s->to -= with.len;
    if (with.len > 0)
        memcpy(s->text + s->to, with.ptr, with.len);
}

static void shift_rows(struct shift *s, const struct run_edit *rows)
{
    const uint32_t *ends = rows->run->ends + (size_t)rows->run->run * rows->run->count;
    for (uint32_t r = rows->run->run; r-- > 0;) {
        ends -= rows->run->count;
        for (uint32_t i = rows->count; i-- > 0;) {
            shift_down_to(s, ends[rows->texts[i].place]);
            shift_insert(s, rows->texts[i].text);
        }
    }
}

const char *edits_apply_over(struct edits *e, struct span text, struct buf *over, size_t *len)
{
    size_t added = added_in_place(e, text), before = (size_t)(text.ptr - buf_ptr(over));
    sort(e);
    if (added == 0 || arena_failed(e->arena))
        return NULL;
    over->end = over->start + before + text.len;
    if (!buf_reserve(over, added))
        return NULL;
    struct shift s = {buf_ptr(over) + before, text.len, text.len + added};
    for (uint32_t i = e->count; i-- > 0;) {
        const struct edit *edit = &e->items[i];
        if (edit->rows) {
            shift_rows(&s, edit->rows);
        } else {
            shift_down_to(&s, edit->off);
            shift_insert(&s, edit->with.text);
        }
    }
    assert(s.from == s.to);
    over->end += added;
    *len = text.len + added;
    return s.text;
}
