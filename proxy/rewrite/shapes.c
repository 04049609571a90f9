/* The table of shapes.h.
 *
 * A shape is learned when it is met a second time: a text of that shape whose values can be told from
 * everything else is rewritten, and cut where they are found again. Then it is tried on the texts that come,
 * and used when it has agreed with the rewriter on them. */
#include "proxy/rewrite/shapes.h"

#include <stdio.h>
#include <stdlib.h>

#include "protocol/sanitizer.h"
#include "proxy/rewrite/shape.h"

/* A shape may be in any of the WAYS slots of its set. */
enum { SETS = 64, WAYS = 4, TRIALS = 2, MOST_CREDIT = 16, ARENA_LIMIT = 64 * 1024 };

enum state {
    STATE_FREE,
    STATE_MET,   /* once: only the hash is kept */
    STATE_TRIED, /* so far it agreed */
    STATE_KNOWN,
    STATE_UNFIT, /* only the hash is kept */
};

struct slot {
    enum state state;
    unsigned trials, credit; /* times that it was met of late: a slot without is given to another shape */
    uint64_t hash, serial;
    struct arena *arena; /* TRIED, KNOWN: all that follows is in it */
    struct span shape;
    struct rewrite_result result;
    const struct span *pieces; /* REWRITTEN: what stands before each value, and behind the last one */
    size_t pieces_len;         /* bytes of all */
    uint32_t count;            /* values */
};

struct shapes {
    uint64_t hits;
    struct shape shape; /* of the text at hand */
    struct slot slots[SETS][WAYS];
};

struct shapes *shapes_new(void)
{
    return calloc(1, sizeof(struct shapes));
}

static void slot_clear(struct slot *slot)
{
    arena_free(slot->arena);
    *slot = (struct slot){0};
}

void shapes_free(struct shapes *shapes)
{
    for (size_t i = 0; shapes && i < SETS * WAYS; i++)
        slot_clear(&shapes->slots[i / WAYS][i % WAYS]);
    free(shapes);
}

uint64_t shapes_hits(const struct shapes *shapes)
{
    return shapes->hits;
}

/* ---- use ---- */

/* The text that the slot makes of the values, behind what `into` holds. */
static struct span fill(const struct slot *slot, const struct shape *shape, struct span text,
                        struct buf *into)
{
    size_t size = slot->pieces_len;
    for (uint32_t i = 0; i < slot->count; i++)
        size += shape->values[i].len;
    if (!buf_reserve(into, size))
        return (struct span){NULL, 0};
    char *to = into->data + into->end;
    struct span made = {to, size};
    for (uint32_t i = 0;; i++) {
        to = mempcpy(to, slot->pieces[i].ptr, slot->pieces[i].len);
        if (i == slot->count)
            break;
        to = mempcpy(to, text.ptr + shape->values[i].off, shape->values[i].len);
    }
    into->end += size;
    return made;
}

static bool use(const struct slot *slot, const struct shape *shape, struct span text, struct buf *into,
                struct rewrite_result *out)
{
    *out = slot->result;
    if (out->verdict != REWRITE_REWRITTEN)
        return true;
    out->text = fill(slot, shape, text, into);
    return out->text.ptr != NULL;
}

/* ---- whether it agrees ---- */

/* Nothing but one statement, passed on or rewritten, that does nothing that a session has to follow. */
static bool may_be_kept(const struct rewrite_result *r)
{
    return (r->verdict == REWRITE_UNCHANGED || r->verdict == REWRITE_REWRITTEN) && !r->values_matter &&
           !(r->facts & ~(uint32_t)(FACT_READS | FACT_WRITES)) && !r->within && !r->modes_set && !r->over &&
           !r->ask.ptr && r->param_count == 0 && r->out_param_count == 0 && !r->param_map &&
           r->temporary_count == 0 && r->named_count == 0 && r->part_count == 1;
}

static bool same_touches(const struct rewrite_part *a, const struct rewrite_part *b)
{
    if (a->touch_count != b->touch_count || a->verdict != b->verdict)
        return false;
    for (size_t i = 0; i < a->touch_count; i++)
        if (a->touches[i].rule != b->touches[i].rule || a->touches[i].write != b->touches[i].write ||
            !span_eq(a->touches[i].column, b->touches[i].column))
            return false;
    return true;
}

static bool same_facts(const struct column_facts *a, const struct column_facts *b)
{
    return a->known == b->known && a->text == b->text && a->length == b->length && a->flags == b->flags &&
           a->type == b->type && a->decimals == b->decimals && span_eq(a->extended, b->extended);
}

static bool same_shown(const struct rewrite_shown *a, const struct rewrite_shown *b)
{
    const struct definition *x = &a->is, *y = &b->is;
    return a->result == b->result && a->position == b->position && span_eq(x->label, y->label) &&
           span_eq(x->db, y->db) && span_eq(x->table, y->table) && span_eq(x->org_table, y->org_table) &&
           span_eq(x->org_name, y->org_name) && span_eq(x->alias, y->alias) &&
           x->origin_only == y->origin_only && x->keys == y->keys && x->way == y->way &&
           same_facts(&x->facts, &y->facts);
}

static bool same(const struct rewrite_result *a, const struct rewrite_result *b)
{
    bool equal = may_be_kept(a) && may_be_kept(b) && a->verdict == b->verdict && a->facts == b->facts &&
                 a->touches == b->touches && a->shown_count == b->shown_count &&
                 (a->verdict != REWRITE_REWRITTEN || span_eq(a->text, b->text));
    for (size_t i = 0; equal && i < a->part_count; i++)
        equal = same_touches(&a->parts[i], &b->parts[i]);
    for (size_t i = 0; equal && i < a->shown_count; i++)
        equal = same_shown(&a->shown[i], &b->shown[i]);
    return equal;
}

/* Whether the slot makes of the text what the rewriter made of it. */
static bool agrees(const struct slot *slot, const struct shape *shape, struct span text,
                   const struct rewrite_result *right)
{
    struct buf made = BUF_INIT;
    struct rewrite_result result;
    bool equal = use(slot, shape, text, &made, &result) && same(&result, right);
    buf_free(&made);
    return equal;
}

static void check(const struct slot *slot, const struct shape *shape, const struct rewrite_session *s,
                  struct span text)
{
    struct arena *arena = arena_new((size_t)1 << 20);
    struct rewrite_session apart = *s;
    struct rewrite_result right;
    apart.into = NULL;
    if (!arena)
        return;
    rewrite_text(arena, &apart, text, &right);
    if (!arena_failed(arena) && !agrees(slot, shape, text, &right)) {
        fprintf(stderr, "a shape has become wrong: %.*s\n", (int)text.len, text.ptr);
        abort();
    }
    arena_free(arena);
}

/* ---- learning ---- */

enum { MARK_MAX = 16 };

/* A value that nothing else in a text is like; NUL-terminated. */
static void write_mark(char *to, uint32_t i, char kind)
{
    snprintf(to, MARK_MAX, kind == SHAPE_STRING ? "'%09u'" : "%09u", 917000431u + i * 1000 % 1000000);
}

/* The shape's text, with marks for values. */
static struct span marked_text(struct arena *arena, const struct shape *shape, struct span *marks)
{
    const char *from = shape->bytes + shape->text, *end = shape->bytes + shape->len;
    char *text = arena_alloc(arena, (size_t)(end - from) + (size_t)shape->count * MARK_MAX + 1), *to = text;
    if (arena_failed(arena))
        return (struct span){NULL, 0};
    for (uint32_t i = 0; i < shape->count; i++) {
        while (*from != SHAPE_NUMBER && *from != SHAPE_STRING)
            *to++ = *from++;
        write_mark(to, i, *from++);
        marks[i] = (struct span){to, strlen(to)};
        to += marks[i].len;
    }
    to = mempcpy(to, from, (size_t)(end - from));
    return (struct span){text, (size_t)(to - text)};
}

/* Cuts a rewritten text at the marks, each of which must be in it once, and in their order. */
static bool cut(struct slot *slot, struct span text, const struct span *marks)
{
    struct span *pieces = arena_alloc(slot->arena, (slot->count + 1) * sizeof *pieces);
    const char *from = text.ptr, *end = text.ptr + text.len;
    for (uint32_t i = 0; i < slot->count && !arena_failed(slot->arena); i++) {
        const char *at = memmem(text.ptr, text.len, marks[i].ptr, marks[i].len);
        if (!at || at < from || memmem(at + 1, (size_t)(end - at) - 1, marks[i].ptr, marks[i].len))
            return false;
        pieces[i] = (struct span){from, (size_t)(at - from)};
        from = at + marks[i].len;
    }
    if (arena_failed(slot->arena))
        return false;
    pieces[slot->count] = (struct span){from, (size_t)(end - from)};
    slot->pieces = pieces;
    slot->pieces_len = 0;
    for (uint32_t i = 0; i <= slot->count; i++)
        slot->pieces_len += pieces[i].len;
    return true;
}

static bool learn(struct slot *slot, const struct shape *shape, const struct rewrite_session *s,
                  struct span text, const struct rewrite_result *right)
{
    struct rewrite_session apart = *s;
    apart.into = NULL;
    if (!may_be_kept(right))
        return false;
    slot->arena = arena_new(ARENA_LIMIT);
    if (!slot->arena || !shape_fits(slot->arena, s, shape, text))
        return false;
    arena_reset(slot->arena);
    apart.database = arena_copy(slot->arena, s->database);
    slot->shape = arena_copy(slot->arena, (struct span){shape->bytes, shape->len});
    slot->count = shape->count;
    struct span *marks = arena_alloc(slot->arena, (shape->count + 1) * sizeof *marks);
    if (arena_failed(slot->arena))
        return false;
    struct span marked = marked_text(slot->arena, shape, marks);
    if (!marked.ptr)
        return false;
    rewrite_text(slot->arena, &apart, marked, &slot->result);
    if (arena_failed(slot->arena) || !may_be_kept(&slot->result))
        return false;
    if (slot->result.verdict == REWRITE_REWRITTEN && !cut(slot, slot->result.text, marks))
        return false;
    return agrees(slot, shape, text, right);
}

static void discard(struct slot *slot)
{
    arena_free(slot->arena);
    *slot = (struct slot){
        .state = STATE_UNFIT, .credit = slot->credit, .hash = slot->hash, .serial = slot->serial};
}

/* One text more of the slot's shape, and what the rewriter made of it. */
static void go_on(struct slot *slot, const struct shape *shape, const struct rewrite_session *s,
                  struct span text, const struct rewrite_result *right)
{
    switch (slot->state) {
    case STATE_MET:
        slot->state = STATE_TRIED;
        if (!learn(slot, shape, s, text, right))
            discard(slot);
        return;
    case STATE_TRIED:
        if (!agrees(slot, shape, text, right))
            discard(slot);
        else if (++slot->trials == TRIALS)
            slot->state = STATE_KNOWN;
        return;
    default:
        return;
    }
}

/* ---- the table ---- */

static bool is_slot_of(const struct slot *slot, uint64_t serial, const struct shape *shape)
{
    return slot->hash == shape->hash && slot->serial == serial && slot->state != STATE_FREE &&
           (!slot->arena ||
            (slot->shape.len == shape->len && memcmp(slot->shape.ptr, shape->bytes, shape->len) == 0));
}

static struct slot *slot_of(struct slot *set, uint64_t serial, const struct shape *shape)
{
    for (size_t i = 0; i < WAYS; i++)
        if (is_slot_of(&set[i], serial, shape))
            return &set[i];
    return NULL;
}

/* Gives the slot to the shape that is met least, unless that has credit yet. */
static void take_slot(struct slot *set, uint64_t serial, const struct shape *shape)
{
    struct slot *least = set;
    for (size_t i = 0; i < WAYS; i++) {
        if (set[i].serial != serial)
            slot_clear(&set[i]);
        if (set[i].credit < least->credit)
            least = &set[i];
    }
    if (least->credit > 0) {
        least->credit--;
        return;
    }
    slot_clear(least);
    *least = (struct slot){.state = STATE_MET, .credit = 1, .hash = shape->hash, .serial = serial};
}

void shapes_rewrite(struct shapes *shapes, uint64_t serial, struct arena *arena,
                    const struct rewrite_session *s, struct span text, struct rewrite_result *out)
{
    struct shape *shape = &shapes->shape;
    if (!s->into || !shape_of(shape, s, text)) {
        rewrite_text(arena, s, text, out);
        return;
    }
    struct slot *set = shapes->slots[shape->hash % SETS], *slot = slot_of(set, serial, shape);
    if (slot && slot->credit < MOST_CREDIT)
        slot->credit++;
    if (slot && slot->state == STATE_KNOWN && use(slot, shape, text, s->into, out)) {
        if (UNDER_ASAN)
            check(slot, shape, s, text);
        shapes->hits++;
        return;
    }
    rewrite_text(arena, s, text, out);
    if (slot)
        go_on(slot, shape, s, text, out);
    else
        take_slot(set, serial, shape);
}
