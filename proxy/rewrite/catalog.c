/* The catalog: tables and their columns, copied once, then looked up without locks by every worker.
 *
 *     tables[]  ── first_column, column_count ──▶  columns[]  (one array for all tables)
 *     slots[]   ── index + 1 of a table, by the hash of "db.table" (open addressing)
 *     texts     ── every string, in blocks that never move
 *
 * While building, a failed allocation is remembered and told by catalog_finish(). */
#include "proxy/rewrite/catalog.h"

#include <stdlib.h>

#define TEXT_BLOCK ((size_t)16384)

struct text_block {
    struct text_block *next;
    size_t used, cap;
    char bytes[];
};

struct catalog {
    struct catalog_table *tables;
    size_t table_count, table_cap;
    size_t *first_column; /* beside tables: where its columns begin */
    struct catalog_column *columns;
    size_t column_count, column_cap;
    uint32_t *slots;
    size_t slot_mask;
    struct text_block *texts;
    uint8_t *widths; /* by a collation's number */
    size_t width_count;
    bool fold;
    bool failed;
};

struct catalog *catalog_new(void)
{
    return calloc(1, sizeof(struct catalog));
}

void catalog_free(struct catalog *c)
{
    if (!c)
        return;
    while (c->texts) {
        struct text_block *next = c->texts->next;
        free(c->texts);
        c->texts = next;
    }
    free(c->tables);
    free(c->first_column);
    free(c->columns);
    free(c->slots);
    free(c->widths);
    free(c);
}

static struct span copy_text(struct catalog *c, struct span s)
{
    struct text_block *b = c->texts;
    if (s.len == 0)
        return SPAN("");
    if (!b || b->cap - b->used < s.len) {
        size_t cap = s.len > TEXT_BLOCK ? s.len : TEXT_BLOCK;
        b = malloc(sizeof *b + cap);
        if (!b) {
            c->failed = true;
            return SPAN("");
        }
        *b = (struct text_block){.next = c->texts, .cap = cap};
        c->texts = b;
    }
    char *at = b->bytes + b->used;
    memcpy(at, s.ptr, s.len);
    b->used += s.len;
    return (struct span){at, s.len};
}

static bool grow_tables(struct catalog *c)
{
    size_t cap = c->table_cap ? c->table_cap * 2 : 32;
    struct catalog_table *t = realloc(c->tables, cap * sizeof *t);
    if (t)
        c->tables = t;
    size_t *f = realloc(c->first_column, cap * sizeof *f);
    if (f)
        c->first_column = f;
    if (!t || !f)
        return false;
    c->table_cap = cap;
    return true;
}

void catalog_add_table(struct catalog *c, struct span db, struct span name, bool is_view)
{
    if (c->failed || (c->table_count == c->table_cap && !grow_tables(c))) {
        c->failed = true;
        return;
    }
    struct catalog_table t = {.db = copy_text(c, db), .name = copy_text(c, name), .is_view = is_view};
    c->first_column[c->table_count] = c->column_count;
    c->tables[c->table_count++] = t;
}

void catalog_add_view(struct catalog *c, struct span db, struct span name, struct span definition)
{
    catalog_add_table(c, db, name, true);
    if (!c->failed)
        c->tables[c->table_count - 1].definition = copy_text(c, definition);
}

void catalog_add_column(struct catalog *c, const struct catalog_column *column)
{
    if (c->failed || c->table_count == 0) {
        c->failed = true;
        return;
    }
    if (c->column_count == c->column_cap) {
        size_t cap = c->column_cap ? c->column_cap * 2 : 128;
        struct catalog_column *grown = realloc(c->columns, cap * sizeof *grown);
        if (!grown) {
            c->failed = true;
            return;
        }
        c->columns = grown;
        c->column_cap = cap;
    }
    struct catalog_column copy = *column;
    copy.name = copy_text(c, column->name);
    copy.type = copy_text(c, column->type);
    copy.charset = copy_text(c, column->charset);
    copy.collation = copy_text(c, column->collation);
    copy.default_text = copy_text(c, column->default_text);
    c->columns[c->column_count++] = copy;
    c->tables[c->table_count - 1].column_count++;
}

/* FNV-1a over "db.table"; folded names hash by their lower case. */
static size_t hash_name(const struct catalog *c, struct span db, struct span table)
{
    uint64_t h = 1469598103934665603ULL;
    struct span parts[] = {db, SPAN("."), table};
    for (size_t p = 0; p < 3; p++)
        for (size_t i = 0; i < parts[p].len; i++) {
            unsigned char byte = (unsigned char)parts[p].ptr[i];
            h = (h ^ (c->fold ? ascii_lower(byte) : byte)) * 1099511628211ULL;
        }
    return (size_t)(h ^ (h >> 32));
}

static bool name_same(const struct catalog *c, struct span a, struct span b)
{
    return c->fold ? span_ieq(a, b) : span_eq(a, b);
}

bool catalog_finish(struct catalog *c, bool fold)
{
    size_t size = 16;
    if (c->failed)
        return false;
    c->fold = fold;
    while (size < c->table_count * 2)
        size *= 2;
    c->slots = calloc(size, sizeof *c->slots);
    if (!c->slots)
        return false;
    c->slot_mask = size - 1;
    for (size_t i = 0; i < c->table_count; i++) {
        c->tables[i].columns = c->columns ? c->columns + c->first_column[i] : NULL;
        size_t at = hash_name(c, c->tables[i].db, c->tables[i].name) & c->slot_mask;
        while (c->slots[at])
            at = (at + 1) & c->slot_mask;
        c->slots[at] = (uint32_t)i + 1;
    }
    return true;
}

const struct catalog_table *catalog_find(const struct catalog *c, struct span db, struct span table)
{
    if (!c || !c->slots)
        return NULL;
    size_t at = hash_name(c, db, table) & c->slot_mask;
    for (; c->slots[at]; at = (at + 1) & c->slot_mask) {
        const struct catalog_table *t = &c->tables[c->slots[at] - 1];
        if (name_same(c, t->db, db) && name_same(c, t->name, table))
            return t;
    }
    return NULL;
}

const struct catalog_table *catalog_at(const struct catalog *c, size_t i)
{
    return c && c->slots && i < c->table_count ? &c->tables[i] : NULL;
}

const struct catalog_column *catalog_column_of(const struct catalog_table *t, struct span name)
{
    for (size_t i = 0; t && i < t->column_count; i++)
        if (span_ieq(t->columns[i].name, name))
            return &t->columns[i];
    return NULL;
}

bool catalog_has_db(const struct catalog *c, struct span db)
{
    for (size_t i = 0; c && i < c->table_count; i++)
        if (name_same(c, c->tables[i].db, db))
            return true;
    return false;
}

enum column_class column_class_of(struct span type)
{
    static const struct {
        const char *word;
        enum column_class class;
    } classes[] = {
        {"tinyint", COLUMN_INTEGER},   {"smallint", COLUMN_INTEGER},   {"mediumint", COLUMN_INTEGER},
        {"int", COLUMN_INTEGER},       {"integer", COLUMN_INTEGER},    {"bigint", COLUMN_INTEGER},
        {"bool", COLUMN_INTEGER},      {"boolean", COLUMN_INTEGER},    {"decimal", COLUMN_DECIMAL},
        {"numeric", COLUMN_DECIMAL},   {"dec", COLUMN_DECIMAL},        {"fixed", COLUMN_DECIMAL},
        {"float", COLUMN_FLOAT},       {"double", COLUMN_FLOAT},       {"real", COLUMN_FLOAT},
        {"char", COLUMN_STRING},       {"character", COLUMN_STRING},   {"varchar", COLUMN_STRING},
        {"tinytext", COLUMN_STRING},   {"text", COLUMN_STRING},        {"mediumtext", COLUMN_STRING},
        {"longtext", COLUMN_STRING},   {"binary", COLUMN_BINARY},      {"varbinary", COLUMN_BINARY},
        {"tinyblob", COLUMN_BINARY},   {"blob", COLUMN_BINARY},        {"mediumblob", COLUMN_BINARY},
        {"longblob", COLUMN_BINARY},   {"date", COLUMN_TEMPORAL},      {"time", COLUMN_TEMPORAL},
        {"datetime", COLUMN_TEMPORAL}, {"timestamp", COLUMN_TEMPORAL}, {"year", COLUMN_TEMPORAL},
        {"enum", COLUMN_ENUM},         {"set", COLUMN_ENUM},           {"json", COLUMN_JSON},
        {"bit", COLUMN_BIT},
    };
    size_t len = 0;
    while (len < type.len && type.ptr[len] != '(' && type.ptr[len] != ' ')
        len++;
    for (size_t i = 0; i < sizeof classes / sizeof classes[0]; i++)
        if (span_ieq((struct span){type.ptr, len}, span_of(classes[i].word)))
            return classes[i].class;
    return COLUMN_OTHER;
}

void catalog_describe(struct catalog *c, struct span db, struct span table, struct span column,
                      const struct column_facts *facts)
{
    const struct catalog_table *t = catalog_find(c, db, table);
    const struct catalog_column *found = catalog_column_of(t, column);
    if (!found)
        return;
    struct column_facts *to = &c->columns[found - c->columns].facts;
    *to = *facts;
    to->extended = copy_text(c, facts->extended);
}

void catalog_set_width(struct catalog *c, uint32_t collation, uint8_t width)
{
    if (collation > UINT16_MAX)
        return;
    if (collation >= c->width_count) {
        size_t count = (collation / 256 + 1) * (size_t)256;
        uint8_t *grown = realloc(c->widths, count);
        if (!grown)
            return;
        memset(grown + c->width_count, 0, count - c->width_count);
        c->widths = grown;
        c->width_count = count;
    }
    c->widths[collation] = width;
}

struct charset_widths catalog_widths(const struct catalog *c)
{
    return c ? (struct charset_widths){c->widths, c->width_count} : (struct charset_widths){NULL, 0};
}

static bool facts_equal(const struct column_facts *a, const struct column_facts *b)
{
    return a->known == b->known && a->text == b->text && a->length == b->length && a->flags == b->flags &&
           a->type == b->type && a->decimals == b->decimals && span_eq(a->extended, b->extended);
}

static bool column_equal(const struct catalog_column *a, const struct catalog_column *b)
{
    return span_eq(a->name, b->name) && span_eq(a->type, b->type) && span_eq(a->charset, b->charset) &&
           span_eq(a->collation, b->collation) && a->class == b->class && a->nullable == b->nullable &&
           a->invisible == b->invisible && a->generated == b->generated &&
           a->auto_increment == b->auto_increment && a->primary == b->primary &&
           a->has_default == b->has_default && a->default_is_expression == b->default_is_expression &&
           a->on_update_now == b->on_update_now && span_eq(a->default_text, b->default_text) &&
           facts_equal(&a->facts, &b->facts);
}

bool catalog_folds(const struct catalog *c)
{
    return c && c->fold;
}

bool catalog_equal(const struct catalog *a, const struct catalog *b)
{
    if (a == b)
        return true;
    if (!a || !b || a->table_count != b->table_count || a->column_count != b->column_count ||
        a->fold != b->fold || a->width_count != b->width_count ||
        (a->width_count && memcmp(a->widths, b->widths, a->width_count) != 0))
        return false;
    for (size_t i = 0; i < a->table_count; i++) {
        const struct catalog_table *x = &a->tables[i];
        const struct catalog_table *y = catalog_find(b, x->db, x->name);
        if (!y || !span_eq(x->name, y->name) || x->is_view != y->is_view ||
            x->column_count != y->column_count || !span_eq(x->definition, y->definition))
            return false;
        for (size_t k = 0; k < x->column_count; k++)
            if (!column_equal(&x->columns[k], &y->columns[k]))
                return false;
    }
    return true;
}

/* Skips `word`, then digits. */
static bool take_number(struct span *name, struct span word)
{
    size_t at = word.len;
    if (name->len < word.len || !span_ieq((struct span){name->ptr, word.len}, word))
        return false;
    while (at < name->len && name->ptr[at] >= '0' && name->ptr[at] <= '9')
        at++;
    bool digits = at > word.len;
    *name = (struct span){name->ptr + at, name->len - at};
    return digits;
}

const struct catalog_table *catalog_sequence(struct span name)
{
    static const struct catalog_column column = {
        .name = {"seq", 3},
        .type = {"bigint(20) unsigned", 19},
        .class = COLUMN_INTEGER,
    };
    static const struct catalog_table table = {.columns = &column, .column_count = 1};
    if (!take_number(&name, SPAN("seq_")) || !take_number(&name, SPAN("_to_")))
        return NULL;
    if (name.len && !take_number(&name, SPAN("_step_")))
        return NULL;
    return name.len ? NULL : &table;
}
