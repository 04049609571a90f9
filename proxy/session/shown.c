/* Keeps and applies what results are to tell of their columns; see shown.h. */
#include "proxy/session/shown.h"

#include <stdlib.h>

/* How many bytes the texts of an item have: those that point into the statement or the catalog. */
static size_t texts_len(const struct definition *d)
{
    return d->label.len + d->db.len + d->table.len + d->org_table.len + d->org_name.len + d->alias.len +
           d->facts.extended.len;
}

static inline char *move_text(struct span *text, char *to)
{
    if (text->len > 0)
        memcpy(to, text->ptr, text->len);
    text->ptr = to;
    return to + text->len;
}

/* Copies an item's texts to `to`; returns what is behind them. */
static char *move_texts(struct definition *d, char *to)
{
    to = move_text(&d->label, to);
    to = move_text(&d->db, to);
    to = move_text(&d->table, to);
    to = move_text(&d->org_table, to);
    to = move_text(&d->org_name, to);
    to = move_text(&d->alias, to);
    return move_text(&d->facts.extended, to);
}

void shown_free(struct shown *shown)
{
    if (!shown->items)
        return;
    free(shown->items);
    *shown = (struct shown){NULL, 0};
}

bool shown_set(struct shown *to, const struct rewrite_result *r)
{
    shown_free(to);
    if (r->shown_count == 0)
        return true;
    size_t size = r->shown_count * sizeof *to->items;
    for (size_t i = 0; i < r->shown_count; i++)
        size += texts_len(&r->shown[i].is);
    struct rewrite_shown *items = malloc(size);
    if (!items)
        return false;
    char *behind = (char *)(items + r->shown_count);
    for (size_t i = 0; i < r->shown_count; i++) {
        items[i] = r->shown[i];
        behind = move_texts(&items[i].is, behind);
    }
    *to = (struct shown){items, r->shown_count};
    return true;
}

/* They are in order. */
static const struct rewrite_shown *find(const struct shown *shown, uint32_t result, uint32_t position)
{
    size_t low = 0, high = shown->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct rewrite_shown *item = &shown->items[middle];
        if (item->result == result && item->position == position)
            return item;
        if (item->result < result || (item->result == result && item->position < position))
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

bool shown_describe(const struct shown *shown, const struct tracker *t, bool text,
                    const struct catalog *catalog, struct span packet, struct buf *out)
{
    struct definition_context c = {
        .extended = t->capabilities & MARIADB_CLIENT_EXTENDED_METADATA,
        .binary = !text,
        .planned = t->answer != ANSWER_PREPARE,
        .cursor = t->answer == ANSWER_CURSOR,
        .widths = catalog_widths(catalog),
    };
    const struct rewrite_shown *item = find(shown, t->results, t->definition);
    return item && definition_describe(packet, &item->is, &c, out);
}
