/* Query attributes (MySQL 8.0.23 on): values with names that a client sends along with a statement, and that
 * the server hands to its components. Where CLIENT_QUERY_ATTRIBUTES was agreed on, they stand before the text
 * of every COM_QUERY, as parameters do in COM_STMT_EXECUTE (execute.h):
 *
 *   COM_QUERY │ count lenenc │ sets lenenc, 1 │ if there are any: ATTRIBUTES │ text
 *   ATTRIBUTES: NULL bitmap │ types follow 1 │ (type 2 │ name) each │ values
 *
 * Everything is read as the server reads it, since it decides where the text begins; what the server may take
 * and other readers may take otherwise (lengths of 0xfb, of more than 4 bytes, that pass the end) is
 * malformed.
 *
 * Sources: MySQL, PAGE_PROTOCOL_COM_QUERY and PAGE_PROTOCOL_COM_STMT_EXECUTE. */
#ifndef PROTOCOL_ATTRIBUTES_H
#define PROTOCOL_ATTRIBUTES_H

#include "protocol/packet.h"

#define ATTRIBUTES_MAX 65535 /* parameters and attributes of one command; the server takes no more */

/* The beginning of a COM_QUERY without attributes, where they were agreed on. */
#define QUERY_WITHOUT_ATTRIBUTES SPAN("\x03\x00\x01")

/* How many bytes of a COM_QUERY's payload, command byte and attributes, stand before its text. 0: malformed.
 */
size_t attributes_end(struct span payload);

/* Where a parameter's name and type are sent: reads what comes for each of `count` of them, up to the values.
 * Gives where the first type stands, or NULL: none were sent. Failures are the reader's. */
const unsigned char *read_named_types(struct reader *r, uint32_t count);

/* The next type with its name, from a span that read_named_types() has read. */
struct named_type {
    uint32_t type; /* without the flag for UNSIGNED */
    struct span whole;
};
struct named_type next_named_type(struct reader *r);

/* The bytes of one value of that type, with its length where it has one. */
struct span read_named_value(struct reader *r, uint32_t type);

#endif
