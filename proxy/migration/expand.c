/* DDL for the new columns. They are added INVISIBLE, so that `SELECT *` and INSERT without a column list go
 * on as before, and with ALGORITHM=INSTANT, so that the server refuses rather than copies a large table. */
#include "proxy/migration/expand.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "proxy/migration/row_sql.h"

static bool knows_invisible(const struct db_server *s)
{
    return s->version >= (s->mariadb ? 100300U : 80023U);
}

static bool knows_instant(const struct db_server *s)
{
    return s->version >= (s->mariadb ? 100300U : 80012U);
}

static char *take_text(struct buf *b)
{
    buf_add_byte(b, '\0');
    if (!buf_failed(b))
        return b->data;
    buf_free(b);
    return NULL;
}

char *expand_ddl(const struct target *t, const struct db_server *server, bool instant, bool *missing,
                 char *error, size_t error_size)
{
    const struct config_migration *m = t->config;
    const struct catalog_table *table = target_table(t);
    struct buf b = BUF_INIT;
    *missing = false;
    *error = '\0';
    buf_add_str(&b, "ALTER TABLE ");
    row_sql_table(&b, t->rule);
    for (size_t i = 0; i < m->new_count; i++) {
        const struct config_column *c = &m->new_columns[i];
        if (catalog_column_of(table, span_of(c->name)))
            continue;
        if (!c->type && !*error)
            snprintf(error, error_size, "the type of %s is not known: add new.%s = TYPE to [migration %s]",
                     c->name, c->name, m->name);
        buf_add_str(&b, *missing ? ", ADD COLUMN " : " ADD COLUMN ");
        *missing = true;
        sql_name(&b, span_of(c->name));
        buf_add_byte(&b, ' ');
        buf_add_str(&b, c->type ? c->type : "");
        if (knows_invisible(server) && c->type && !strcasestr(c->type, "invisible"))
            buf_add_str(&b, " INVISIBLE");
    }
    if (instant && knows_instant(server))
        buf_add_str(&b, ", ALGORITHM=INSTANT");
    if (*missing && !*error) {
        char *text = take_text(&b);
        if (!text)
            snprintf(error, error_size, "out of memory");
        return text;
    }
    buf_free(&b);
    return NULL;
}

char *expand_undo_ddl(const struct target *t)
{
    struct buf b = BUF_INIT;
    buf_add_str(&b, "ALTER TABLE ");
    row_sql_table(&b, t->rule);
    for (size_t i = 0; i < t->rule->new_count; i++) {
        buf_add_str(&b, i ? ", DROP COLUMN " : " DROP COLUMN ");
        sql_name(&b, t->rule->new_columns[i].name);
    }
    return take_text(&b);
}
