/* Expand: the DDL that adds the new columns which are not there yet. */
#ifndef PROXY_MIGRATION_EXPAND_H
#define PROXY_MIGRATION_EXPAND_H

#include "proxy/migration/preflight.h"

/* The ALTER TABLE as text (malloc'ed), or NULL: *missing says whether there is a column to add; where there
 * is, `error` says why no DDL can be made for it (its type is not known). `instant`: with ALGORITHM=INSTANT
 * where the server's line has that. */
char *expand_ddl(const struct target *t, const struct db_server *server, bool instant, bool *missing,
                 char *error, size_t error_size);

/* The way back from expand: the ALTER TABLE that drops the new columns (malloc'ed; NULL: memory). */
char *expand_undo_ddl(const struct target *t);

#endif
