/* Keeps and applies what results are to tell of their columns; see shown.h. */
#include "proxy/session/shown.h"

#include <stdlib.h>

/* The texts of an item: those that point into the statement or the catalog. */
#define TEXTS 7

static void texts_of(struct definition *d, struct span *texts[TEXTS])
{
    struct span *all[TEXTS] = {&d->label,    &d->db,    &d->table,         &d->org_table,
                               &d->org_name, &d->alias, &d->facts.extended};
    memcpy(texts, all, sizeof all);
}

void shown_free(struct shown *shown)
{
    free(shown->items);
    *shown = (struct shown){NULL, 0};
}

bool shown_set(struct shown *to, const struct rewrite_result *r)
{
    struct span *texts[TEXTS];
    size_t size = r->shown_count * sizeof *to->items;
    shown_free(to);
    if (r->shown_count == 0)
        return true;
    for (size_t i = 0; i < r->shown_count; i++) {
        struct definition is = r->shown[i].is;
        texts_of(&is, texts);
        for (size_t k = 0; k < TEXTS; k++)
            size += texts[k]->len;
    }
    *to = (struct shown){malloc(size), r->shown_count};
    if (!to->items) {
        to->count = 0;
        return false;
    }
    char *behind = (char *)(to->items + to->count);
    memcpy(to->items, r->shown, to->count * sizeof *to->items);
    for (size_t i = 0; i < to->count; i++) {
        texts_of(&to->items[i].is, texts);
        for (size_t k = 0; k < TEXTS; k++) {
            if (texts[k]->len > 0)
                memcpy(behind, texts[k]->ptr, texts[k]->len);
            texts[k]->ptr = behind;
            behind += texts[k]->len;
        }
    }
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
