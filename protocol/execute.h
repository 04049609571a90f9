/* The parameters of COM_STMT_EXECUTE and COM_STMT_BULK_EXECUTE, taken apart and put together for another
 * statement: one whose markers stand elsewhere, more or less often, or which has not been told the types yet.
 *
 *   EXECUTE: command │ id 4 │ flags 1 │ iterations 4 │ NULL bitmap │ types follow 1 │ [types 2 each] │ values
 *   NAMED:   command │ id 4 │ flags 1 │ iterations 4 │ count lenenc │ NULL bitmap │ types follow 1 │
 *            [(type 2 │ name) each] │ values
 *   BULK:    command │ id 4 │ flags 2 │ [types 2 each] │ rows of (indicator 1, [value]) for each parameter
 *
 * NAMED is an EXECUTE where CLIENT_QUERY_ATTRIBUTES was agreed on: behind the parameters come as many
 * attributes as the count says (attributes.h), which stay as they are. Without parameters it has all of that
 * only where EXECUTE_COUNTED is among the flags.
 *
 * Layouts: MariaDB, "3 - Binary Protocol (Prepared Statements)": COM_STMT_EXECUTE, COM_STMT_BULK_EXECUTE. */
#ifndef PROTOCOL_EXECUTE_H
#define PROTOCOL_EXECUTE_H

#include "protocol/packet.h"
#include "protocol/parameter_map.h"

#define EXECUTE_FIXED   10  /* bytes before the NULL bitmap */
#define EXECUTE_COUNTED 8   /* NAMED's flag: there is a count in any case */
#define BULK_FIXED      7   /* bytes before types and rows */
#define BULK_SEND_TYPES 128 /* the flag: types follow */

/* How many bytes from the command byte on must be there to see the types, with `params` parameters.
 * `payload`: what is there so far. NAMED: more than that, as long as it does not tell. */
size_t execute_head_size(struct span payload, uint32_t params);
size_t named_head_size(struct span payload, uint32_t params);
size_t bulk_head_size(struct span payload, uint32_t params);

/* The types in a payload (2 * params bytes), of which at least the head is given; NULL: they were not sent,
 * or there are none. They may be put into `types`, which is there for that. */
const unsigned char *execute_types(struct span payload, uint32_t params, struct buf *types);
const unsigned char *named_types(struct span payload, uint32_t params, struct buf *types);
const unsigned char *bulk_types(struct span payload, uint32_t params, struct buf *types);

/* How the parameters of the client's statement become those of the backend's. */
struct execute_map {
    uint32_t id;                /* the backend's statement */
    uint32_t params;            /* that the client sends */
    uint32_t out_params;        /* that the backend wants */
    const uint32_t *map;        /* for each of those an entry; NULL: one to one */
    const unsigned char *types; /* 2 * params: as bound before; NULL: never bound */
    const unsigned char *longs; /* bitmap of the parameters sent as long data, which have no value; or NULL */
};

enum execute_outcome {
    EXECUTE_BUILT,
    EXECUTE_MALFORMED, /* or memory is out */
    EXECUTE_INEXACT,   /* a repeated value of a type whose store no cast repeats */
};

/* Whether the backend's statement, which was executed with m->types, would treat one of these `types`
 * otherwise than a new one: see MAP_MYSQL. */
bool execute_retyped(const struct execute_map *m, const unsigned char *types);

/* Appends the payload for the backend, with types. */
enum execute_outcome execute_build(struct span payload, const struct execute_map *m, struct buf *out);
enum execute_outcome named_build(struct span payload, const struct execute_map *m, struct buf *out);
enum execute_outcome bulk_build(struct span payload, const struct execute_map *m, struct buf *out);

#endif
