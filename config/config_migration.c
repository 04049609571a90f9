/* A [migration NAME] section: its keys, its columns, and what must hold between them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "config/config_load.h"

enum { NAME_MAX_BYTES = 64, COLUMNS_MAX = 32 };

/* ---- names ------------------------------------------------------------------------------------------ */

/* Takes one name off *p: plain up to a byte of `stop`, or in backticks. NULL where there is none. */
static char *take_name(const char **p, const char *stop)
{
    const char *s = *p + strspn(*p, " \t");
    char *name;
    if (*s == '`') {
        const char *end = strchr(s + 1, '`');
        if (!end)
            return NULL;
        name = strndup(s + 1, (size_t)(end - s - 1));
        s = end + 1;
    } else {
        size_t len = strcspn(s, stop);
        while (len && strchr(" \t", s[len - 1]))
            len--;
        if (strcspn(s, " \t`'\"") < len)
            return NULL;
        name = strndup(s, len);
        s += len;
    }
    *p = s + strspn(s, " \t");
    if (name && (!*name || strlen(name) > NAME_MAX_BYTES)) {
        free(name);
        return NULL;
    }
    return name;
}

static void set_table(struct loader *l, const struct key *k, const struct ini_entry *e, void *base)
{
    struct config_migration *m = base;
    const char *p = e->value;
    m->db = take_name(&p, ".");
    if (m->db && *p == '.') {
        p++;
        m->table = take_name(&p, ".");
    }
    if (!m->table || *p)
        load_report(l, e->line, "%s: expected database.table, not '%s'", k->name, e->value);
}

static void set_columns(struct loader *l, const struct key *k, const struct ini_entry *e, void *base)
{
    struct config_column **list = (struct config_column **)((char *)base + k->offset);
    size_t *count = (size_t *)((char *)base + k->count_offset);
    const char *p = e->value;
    *list = calloc(COLUMNS_MAX, sizeof(**list));
    if (!*list) {
        l->out_of_memory = true;
        return;
    }
    while (*count < COLUMNS_MAX) {
        struct config_column *c = &(*list)[*count];
        c->name = take_name(&p, ",");
        c->line = e->line;
        if (!c->name)
            break;
        ++*count;
        if (!*p)
            return;
        if (*p++ != ',')
            break;
    }
    load_report(l, e->line, "%s: expected one to %d columns, comma-separated, not '%s'", k->name, COLUMNS_MAX,
                e->value);
}

/* ---- choices ---------------------------------------------------------------------------------------- */

static const char *const no_yes[] = {"no", "yes", NULL};
static const char *const reads_words[] = {"auto", "old", NULL};
static const char *const unrewritable_words[] = {"reject", "pass", NULL};
static const char *const write_error_words[] = {"fail", "fallback", NULL};

static void set_choice(struct loader *l, const struct key *k, const struct ini_entry *e, void *base)
{
    int word = load_word(l, k, e);
    if (word >= 0)
        *(bool *)((char *)base + k->offset) = word == 1;
}

static void set_write_error(struct loader *l, const struct key *k, const struct ini_entry *e, void *base)
{
    (void)base;
    if (load_word(l, k, e) == 1)
        load_report(l, e->line, "%s = fallback: this version has no fallback yet; say fail", k->name);
}

#define AT(member) .offset = offsetof(struct config_migration, member)

const struct key migration_keys[] = {
    {"table", set_table, .required = true},
    {"old", set_columns, AT(old_columns), .count_offset = offsetof(struct config_migration, old_count),
     .required = true},
    {"new", set_columns, AT(new_columns), .count_offset = offsetof(struct config_migration, new_count),
     .required = true},
    {"reads", set_choice, AT(reads_pinned_old), .words = reads_words},
    {"on_unrewritable", set_choice, AT(pass_unrewritable), .words = unrewritable_words},
    {"on_dual_write_error", set_write_error, .words = write_error_words},
    {"invertible", set_choice, AT(invertible), .words = no_yes},
    {"monotonic", set_choice, AT(monotonic), .words = no_yes},
    {0},
};

/* ---- expressions and types -------------------------------------------------------------------------- */

static struct config_column *column_named(struct config_column *columns, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcasecmp(columns[i].name, name) == 0)
            return &columns[i];
    return NULL;
}

/* forward.COL, backward.COL and new.COL wait until the columns are known. */
static bool is_column_key(struct loader *l, const struct ini_entry *e, void *base)
{
    (void)l;
    (void)base;
    return strncmp(e->key, "forward.", 8) == 0 || strncmp(e->key, "backward.", 9) == 0 ||
           strncmp(e->key, "new.", 4) == 0 || strcmp(e->key, "forward") == 0 ||
           strcmp(e->key, "backward") == 0;
}

/* A type is pasted into DDL: it must be one column's definition and no more. Quotes (ENUM values) may hold
 * anything; outside of them a ';' or a comma outside of parentheses would begin something else. */
static bool is_column_type(const char *type)
{
    int depth = 0;
    char quote = 0;
    if (!((*type | 0x20) >= 'a' && (*type | 0x20) <= 'z'))
        return false;
    for (const char *p = type; *p; p++) {
        if (quote) {
            if (*p == '\\' && p[1])
                p++;
            else if (*p == quote)
                quote = 0;
        } else if (*p == '\'' || *p == '"' || *p == '`') {
            quote = *p;
        } else if (*p == '(') {
            depth++;
        } else if (*p == ')') {
            if (--depth < 0)
                return false;
        } else if (*p == ';' || *p == '#' || (*p == ',' && depth == 0) || strncmp(p, "--", 2) == 0 ||
                   strncmp(p, "/*", 2) == 0) {
            return false;
        }
    }
    return depth == 0 && !quote;
}

static void take_column_key(struct loader *l, const struct ini_entry *e, struct config_migration *m)
{
    const char *dot = strchr(e->key, '.');
    bool backward = strncmp(e->key, "backward", 8) == 0;
    struct config_column *columns = backward ? m->old_columns : m->new_columns;
    size_t count = backward ? m->old_count : m->new_count;
    struct config_column *c = NULL;
    if (dot)
        c = column_named(columns, count, dot + 1);
    else if (count == 1)
        c = &columns[0];
    if (!dot && count > 1)
        load_report(l, e->line, "%s: with several %s columns write %s.COLUMN", e->key,
                    backward ? "old" : "new", e->key);
    else if (!c && count)
        load_report(l, e->line, "%s: %s is none of the %s columns", e->key, dot ? dot + 1 : "",
                    backward ? "old" : "new");
    else if (c && !*e->value)
        load_report(l, e->line, "%s is empty", e->key);
    else if (c) {
        char **field = strncmp(e->key, "new.", 4) == 0 ? &c->type : &c->expression;
        if (*field) {
            load_report(l, e->line, "%s is given twice", e->key);
            return;
        }
        *field = load_strdup(l, e->value);
        if (field == &c->expression)
            c->line = e->line;
        else if (!is_column_type(e->value))
            load_report(l, e->line, "%s: '%s' is not a column's type", e->key, e->value);
    }
}

static char *quoted_name(struct loader *l, const char *name)
{
    char *q = malloc(strlen(name) + 3);
    if (q)
        sprintf(q, "`%s`", name);
    else
        l->out_of_memory = true;
    return q;
}

/* One old and one new column stand for each other where no expression was given. */
static void complete_expressions(struct loader *l, struct config_migration *m)
{
    bool one_to_one = m->old_count == 1 && m->new_count == 1;
    for (size_t i = 0; i < m->new_count; i++) {
        struct config_column *c = &m->new_columns[i];
        if (!c->expression && one_to_one)
            c->expression = quoted_name(l, m->old_columns[0].name);
        else if (!c->expression)
            load_report(l, m->line, "forward.%s is missing in [migration %s]", c->name, m->name);
    }
    for (size_t i = 0; i < m->old_count; i++) {
        struct config_column *c = &m->old_columns[i];
        if (!c->expression && one_to_one)
            c->expression = quoted_name(l, m->new_columns[0].name);
        else if (!c->expression)
            load_report(l, m->line, "backward.%s is missing in [migration %s]", c->name, m->name);
    }
}

static void check_expressions(struct loader *l, const char *word, const struct config_column *columns,
                              size_t count, const struct config_column *sources, size_t source_count)
{
    const char *names[COLUMNS_MAX];
    for (size_t i = 0; i < source_count; i++)
        names[i] = sources[i].name;
    for (size_t i = 0; i < count; i++) {
        char error[512];
        const struct config_column *c = &columns[i];
        if (c->expression && l->check && !l->check(c->expression, names, source_count, error, sizeof(error)))
            load_report(l, c->line, "%s.%s: %s", word, c->name, error);
    }
}

/* A name's bytes are the same in every client's character set only where they are ASCII. */
static void check_ascii(struct loader *l, const struct config_migration *m, const char *name)
{
    for (const char *c = name ? name : ""; *c; c++)
        if ((unsigned char)*c >= 0x80) {
            load_report(l, m->line, "%s: names of tables and columns must be ASCII in [migration %s]", name,
                        m->name);
            return;
        }
}

static void check_columns(struct loader *l, struct config_migration *m)
{
    struct config_column *lists[2] = {m->old_columns, m->new_columns};
    size_t counts[2] = {m->old_count, m->new_count};
    for (size_t side = 0; side < 2; side++)
        for (size_t i = 0; i < counts[side]; i++) {
            const struct config_column *c = &lists[side][i];
            check_ascii(l, m, c->name);
            if (column_named(lists[side], i, c->name) ||
                (side == 1 && column_named(m->old_columns, m->old_count, c->name)))
                load_report(l, m->line, "column %s is named twice in [migration %s]", c->name, m->name);
        }
    if (m->monotonic && !m->invertible)
        load_report(l, m->line, "monotonic = yes needs invertible = yes in [migration %s]", m->name);
}

static bool is_migration_name(const char *name)
{
    size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-");
    return n > 0 && n <= NAME_MAX_BYTES && name[n] == '\0' && name[0] != '-';
}

void load_migration(struct loader *l, size_t section, const char *name, struct config_migration *m)
{
    *m = (struct config_migration){.name = load_strdup(l, name), .line = l->ini.sections[section].line};
    if (!is_migration_name(name))
        load_report(l, m->line, "'%s': a migration's name is 1 to %d letters, digits, '_', '-' and '.'", name,
                    NAME_MAX_BYTES);
    load_section(l, section, migration_keys, m, is_column_key);
    for (size_t i = 0; i < l->ini.entry_count; i++) {
        const struct ini_entry *e = &l->ini.entries[i];
        if (e->section == section && is_column_key(l, e, m))
            take_column_key(l, e, m);
    }
    check_ascii(l, m, m->db);
    check_ascii(l, m, m->table);
    if (!m->old_count || !m->new_count)
        return; /* the columns are what the rest is checked against */
    check_columns(l, m);
    complete_expressions(l, m);
    check_expressions(l, "forward", m->new_columns, m->new_count, m->old_columns, m->old_count);
    check_expressions(l, "backward", m->old_columns, m->old_count, m->new_columns, m->new_count);
}

static bool same_table(const struct config_migration *a, const struct config_migration *b)
{
    return a->db && a->table && b->db && b->table && strcasecmp(a->db, b->db) == 0 &&
           strcasecmp(a->table, b->table) == 0;
}

static const char *shared_column(const struct config_migration *a, const struct config_migration *b)
{
    for (size_t i = 0; i < a->old_count + a->new_count; i++) {
        const char *name = i < a->old_count ? a->old_columns[i].name : a->new_columns[i - a->old_count].name;
        if (column_named(b->old_columns, b->old_count, name) ||
            column_named(b->new_columns, b->new_count, name))
            return name;
    }
    return NULL;
}

void check_migrations_together(struct loader *l)
{
    const struct config *c = l->config;
    for (size_t i = 0; i < c->migration_count; i++)
        for (size_t j = 0; j < i; j++) {
            const struct config_migration *m = &c->migrations[i], *first = &c->migrations[j];
            const char *column;
            if (m->name && first->name && strcmp(m->name, first->name) == 0)
                load_report(l, m->line, "[migration %s] is given twice, first in line %d", m->name,
                            first->line);
            else if (same_table(m, first) && (column = shared_column(m, first)))
                load_report(l, m->line, "column %s of %s.%s is in [migration %s] too", column, m->db,
                            m->table, first->name);
        }
}

static void columns_free(struct config_column *columns, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(columns[i].name);
        free(columns[i].expression);
        free(columns[i].type);
    }
    free(columns);
}

void migration_free(struct config_migration *m)
{
    columns_free(m->old_columns, m->old_count);
    columns_free(m->new_columns, m->new_count);
    free(m->name);
    free(m->db);
    free(m->table);
}
