/* What config.c and config_migration.c share while a file is being read; nobody else includes it. */
#ifndef CONFIG_CONFIG_LOAD_H
#define CONFIG_CONFIG_LOAD_H

#include "config/config.h"
#include "config/ini.h"

struct loader {
    const char *path;
    struct ini ini;
    struct config *config;
    config_expression_check *check;
    config_report *report;
    void *report_ctx;
    unsigned mistakes;
    bool out_of_memory;
};

/* One key: how its value is read, and where in its struct (config or config_migration) it goes. */
struct key {
    const char *name;
    void (*set)(struct loader *l, const struct key *k, const struct ini_entry *e, void *base);
    size_t offset, count_offset; /* count_offset: of a list's length */
    unsigned min, max;           /* numbers */
    const char *const *words;    /* choices */
    bool required;
};

/* Reports one mistake in line `line`. */
void load_report(struct loader *l, int line, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* strdup; notes in the loader when memory is out. */
char *load_strdup(struct loader *l, const char *s);

/* The index of the entry's value in k->words, or -1 after a report. */
int load_word(struct loader *l, const struct key *k, const struct ini_entry *e);

/* Applies the entries of one section by a table of keys. Unknown keys go to `other` (true: it knew the
 * key) and are reported otherwise; so are keys given twice and required ones that are missing. */
void load_section(struct loader *l, size_t section, const struct key *keys, void *base,
                  bool (*other)(struct loader *l, const struct ini_entry *e, void *base));

/* Reads and checks section number `section`, a [migration NAME], into *m. */
void load_migration(struct loader *l, size_t section, const char *name, struct config_migration *m);
void migration_free(struct config_migration *m);

/* What must hold between migrations: no two of one name, no column in two of them. */
void check_migrations_together(struct loader *l);

/* What must hold between the keys of [tls] and of [backend_tls]; `tls_line`: of the section. Fills the
 * default of the mode. */
void check_tls(struct loader *l, int tls_line);
void config_tls_free(struct config_tls *t);

extern const struct key migration_keys[], tls_keys[], backend_tls_keys[];

#endif
