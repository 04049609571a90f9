/* CREATE TABLE statements as a catalog, for `crossfade rewrite --schema`: as SHOW CREATE TABLE or a dump
 * prints them. Other statements in the text are skipped. */
#ifndef PROXY_REWRITE_SCHEMA_H
#define PROXY_REWRITE_SCHEMA_H

#include "proxy/rewrite/catalog.h"
#include "proxy/sql/parser.h"

/* Adds the tables of `text` to `c`; `database` is that of names without one until a USE changes it. false
 * with the reason in `error` where a CREATE TABLE is not understood. */
bool schema_read(struct catalog *c, const struct sql_dialect *dialect, struct span text, struct span database,
                 char *error, size_t error_size);

#endif
