/* The INI dialect of crossfade's configuration: text in, a list of entries out.
 *
 *     ; a comment                      # so is this, at a line's beginning
 *     [section]
 *     key = value                      ; a comment, when white space stands before the semicolon
 *     key = a value that goes on
 *           in lines that are indented deeper than its key
 *
 * In keys that hold SQL a semicolon inside quotes begins no comment. The packaged inih library does not
 * serve here: it cuts lines at 200 bytes and names at 50 silently, its comments do not know quotes, and it
 * does not say the line of an entry. Nothing here knows which keys exist; that is config.c. */
#ifndef CONFIG_INI_H
#define CONFIG_INI_H

#include <stdbool.h>
#include <stddef.h>

struct ini_entry {
    char *key;
    char *value; /* trimmed; "" where nothing stands behind the '=' */
    int line;    /* of the key, counted from 1 */
    size_t section;
};

struct ini_section {
    char *name; /* white space runs made one blank */
    int line;
};

struct ini {
    struct ini_section *sections;
    size_t section_count;
    struct ini_entry *entries;
    size_t entry_count;
};

/* Called for each mistake of form (no section, no '=', …). */
typedef void ini_report(void *ctx, int line, const char *reason);

/* Whether a key's value is SQL, in which quotes guard semicolons. */
typedef bool ini_is_sql(const char *key);

/* Reads a whole text of `len` bytes; what could not be understood was reported and is left out. Returns
 * false when memory is out. Release with ini_free in either case. */
bool ini_parse_text(const char *text, size_t len, ini_is_sql *is_sql, ini_report *report, void *ctx,
                    struct ini *out);
void ini_free(struct ini *ini);

#endif
