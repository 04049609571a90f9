/* XA transactions that are prepared: they belong to no session any more, so no pin tells of them, and what
 * they wrote comes to light whenever somebody commits them. */
#ifndef PROXY_MIGRATION_XA_H
#define PROXY_MIGRATION_XA_H

#include "proxy/migration/db.h"

/* Puts the names of those that there are into `out`. false: the server does not tell (MySQL wants the
 * privilege XA_RECOVER_ADMIN for it), or the list does not fit into memory. */
bool xa_list(struct db *d, struct buf *out);

/* How many of `names`, as xa_list() gave them, are there still. All, where the server does not tell, the
 * connection lost or not: so nobody who waits for them goes on too early. Such a wait ends with its time. */
size_t xa_left(struct db *d, const struct buf *names);

#endif
