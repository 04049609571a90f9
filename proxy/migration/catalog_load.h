/* The catalog from the backend's information_schema. */
#ifndef PROXY_MIGRATION_CATALOG_LOAD_H
#define PROXY_MIGRATION_CATALOG_LOAD_H

#include "proxy/migration/db.h"
#include "proxy/rewrite/catalog.h"

/* Reads every table of the databases that the config's migrations live in. NULL with the reason in `error`.
 * A database that does not exist gives no tables. `before`: the one that was read before, or NULL; how a
 * table's columns are described is taken from there where the server cannot tell at once. Release with
 * catalog_free. */
struct catalog *catalog_load(struct db *d, const struct config *c, const struct catalog *before, char *error,
                             size_t error_size);

#endif
