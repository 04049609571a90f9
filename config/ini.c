/* The reader of ini.h: a loop over lines; the only state between lines is the section and the entry that a
 * deeper indented line continues. */
#include "config/ini.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct reader {
    struct ini *ini;
    ini_is_sql *is_sql;
    ini_report *report;
    void *ctx;
    bool in_section;
    bool has_open_entry; /* the last entry may be continued */
    size_t key_indent;   /* of that entry */
    bool out_of_memory;
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\f' || c == '\v';
}

static void trim(const char **p, size_t *len)
{
    while (*len && is_blank(**p)) {
        (*p)++;
        (*len)--;
    }
    while (*len && is_blank((*p)[*len - 1]))
        (*len)--;
}

static void *grow(struct reader *r, void *array, size_t count, size_t size)
{
    if ((count & (count - 1)) != 0) /* capacity is the next power of two */
        return array;
    size_t cap = count ? count * 2 : 1;
    void *bigger = cap > SIZE_MAX / size ? NULL : realloc(array, cap * size);
    if (!bigger)
        r->out_of_memory = true;
    return bigger;
}

/* The length of `p` without an inline comment. */
static size_t without_comment(const char *p, size_t len, bool sql)
{
    char quote = 0;
    for (size_t i = 0; i < len; i++) {
        char c = p[i];
        if (quote) {
            if (c == '\\' && quote != '`')
                i++;
            else if (c == quote)
                quote = 0;
        } else if (sql && (c == '\'' || c == '"' || c == '`')) {
            quote = c;
        } else if (c == ';' && (i == 0 || is_blank(p[i - 1]))) {
            return i;
        }
    }
    return len;
}

static void open_section(struct reader *r, int line, const char *p, size_t len)
{
    r->in_section = false; /* the keys of a section that is not understood are not looked at */
    r->has_open_entry = false;
    const char *end = memchr(p, ']', len);
    if (!end) {
        r->report(r->ctx, line, "a section's name ends with ']'");
        return;
    }
    const char *rest = end + 1;
    size_t rest_len = len - (size_t)(rest - p);
    trim(&rest, &rest_len);
    if (rest_len && *rest != ';' && *rest != '#') {
        r->report(r->ctx, line, "text behind the section's ']'");
        return;
    }
    const char *name = p + 1;
    size_t name_len = (size_t)(end - name);
    trim(&name, &name_len);

    struct ini_section *sections =
        grow(r, r->ini->sections, r->ini->section_count, sizeof(*r->ini->sections));
    if (!sections)
        return;
    r->ini->sections = sections;
    char *copy = malloc(name_len + 1);
    if (!copy) {
        r->out_of_memory = true;
        return;
    }
    size_t n = 0;
    for (size_t i = 0; i < name_len; i++)
        if (!is_blank(name[i]))
            copy[n++] = name[i];
        else if (n && copy[n - 1] != ' ')
            copy[n++] = ' ';
    copy[n] = '\0';
    sections[r->ini->section_count++] = (struct ini_section){copy, line};
    r->in_section = true;
}

static void add_entry(struct reader *r, int line, size_t indent, const char *p, size_t len)
{
    r->has_open_entry = false;
    const char *eq = memchr(p, '=', len);
    size_t key_len = eq ? (size_t)(eq - p) : 0;
    const char *key = p;
    trim(&key, &key_len);
    if (!eq || !key_len) {
        r->report(r->ctx, line, "neither [section] nor key = value");
        return;
    }
    struct ini_entry *entries = grow(r, r->ini->entries, r->ini->entry_count, sizeof(*r->ini->entries));
    if (!entries)
        return;
    r->ini->entries = entries;

    struct ini_entry e = {.key = strndup(key, key_len), .line = line};
    const char *value = eq + 1;
    size_t value_len = len - (size_t)(value - p);
    if (e.key) {
        /* The blank behind '=' counts as the white space before a comment that stands for a value. */
        trim(&value, &value_len);
        value_len = without_comment(value, value_len, r->is_sql(e.key));
        trim(&value, &value_len);
        e.value = strndup(value, value_len);
    }
    if (!e.key || !e.value) {
        free(e.key);
        r->out_of_memory = true;
        return;
    }
    e.section = r->ini->section_count - 1;
    entries[r->ini->entry_count++] = e;
    r->has_open_entry = true;
    r->key_indent = indent;
}

static void continue_entry(struct reader *r, const char *p, size_t len)
{
    struct ini_entry *e = &r->ini->entries[r->ini->entry_count - 1];
    len = without_comment(p, len, r->is_sql(e->key));
    trim(&p, &len);
    size_t have = strlen(e->value);
    char *longer = realloc(e->value, have + len + 2);
    if (!longer) {
        r->out_of_memory = true;
        return;
    }
    if (have && len)
        longer[have++] = ' ';
    memcpy(longer + have, p, len);
    longer[have + len] = '\0';
    e->value = longer;
}

static void read_line(struct reader *r, int line, const char *p, size_t len)
{
    const char *start = p;
    trim(&p, &len);
    if (memchr(p, '\0', len)) {
        r->report(r->ctx, line, "a NUL byte");
        return;
    }
    if (len == 0) {
        r->has_open_entry = false;
        return;
    }
    if (*p == ';' || *p == '#')
        return;
    size_t indent = (size_t)(p - start);
    if (r->has_open_entry && indent > r->key_indent)
        continue_entry(r, p, len);
    else if (*p == '[')
        open_section(r, line, p, len);
    else if (r->in_section)
        add_entry(r, line, indent, p, len);
    else if (r->ini->section_count == 0)
        r->report(r->ctx, line, "a key before the first [section]");
}

bool ini_parse_text(const char *text, size_t len, ini_is_sql *is_sql, ini_report *report, void *ctx,
                    struct ini *out)
{
    *out = (struct ini){0};
    struct reader r = {.ini = out, .is_sql = is_sql, .report = report, .ctx = ctx};
    if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
        text += 3;
        len -= 3;
    }
    for (int line = 1; len && !r.out_of_memory; line++) {
        const char *end = memchr(text, '\n', len);
        size_t n = end ? (size_t)(end - text) : len;
        read_line(&r, line, text, n);
        size_t step = end ? n + 1 : n;
        text += step;
        len -= step;
    }
    return !r.out_of_memory;
}

void ini_free(struct ini *ini)
{
    for (size_t i = 0; i < ini->section_count; i++)
        free(ini->sections[i].name);
    for (size_t i = 0; i < ini->entry_count; i++) {
        free(ini->entries[i].key);
        free(ini->entries[i].value);
    }
    free(ini->sections);
    free(ini->entries);
    *ini = (struct ini){0};
}
