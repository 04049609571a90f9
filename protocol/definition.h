/* A column's definition in an answer, and how to make it say what another column's would.
 *
 *   def │ schema │ table │ org_table │ name │ org_name │ [extended] │ 0c │ charset 2, length 4, type 1, flags
 * 2, decimals 1, 2 unused
 *
 * Sources: MariaDB, "4 - Server Response Packets" (Column Definition Packet); MySQL, Column Definition. */
#ifndef PROTOCOL_DEFINITION_H
#define PROTOCOL_DEFINITION_H

#include "protocol/buf.h"

/* Flags that tell of keys: they are of a table, and columns of a temporary one have none. */
#define DEFINITION_KEY_FLAGS 0x400eu
#define DEFINITION_NOT_NULL  0x0001u

/* What a server tells of a table's column, whatever the connection. */
struct column_facts {
    bool known;
    bool text;            /* has a character set: sent in that of the connection */
    uint32_t length;      /* in characters where it is text; UINT32_MAX: no bound */
    uint16_t flags;       /* as in the packet */
    uint8_t type;         /* likewise */
    uint8_t decimals;     /* likewise */
    struct span extended; /* the content of MariaDB's extended metadata; may be empty */
};

/* What becomes of the flags of keys once the statement has a plan: a temporary table loses them. */
enum definition_keys {
    KEYS_STAY,   /* no plan goes through one */
    KEYS_SHOWN,  /* some may; where the value is an expression, its definition shows it */
    KEYS_UNSURE, /* some may, and nothing shows it */
};

/* How a column comes into the result: a derived table that the server merges leaves it what it was, one that
 * it keeps apart makes it a temporary table's. */
enum definition_way {
    WAY_PLAIN,
    WAY_DERIVED_MARIADB,
    WAY_DERIVED_MYSQL,
};

/* What a definition is to say. */
struct definition {
    struct span label; /* ASCII. A definition of another name is none of this column's */
    struct span db, table, org_table, org_name;
    struct span alias; /* of org_table within the derived table */
    struct column_facts facts;
    bool origin_only; /* facts are not needed: length, type and flags stay */
    enum definition_keys keys;
    enum definition_way way;
};

/* Bytes that a character takes at most, by a collation's number; 0: not known. */
struct charset_widths {
    const uint8_t *of;
    size_t count;
};

struct definition_context {
    bool extended; /* MARIADB_CLIENT_EXTENDED_METADATA was agreed on */
    bool binary;   /* the values come in the binary protocol */
    bool planned;  /* the statement runs: it is not PREPARE's answer */
    bool cursor;   /* into a temporary table, from which it is fetched */
    struct charset_widths widths;
};

/* Appends the packet (with its header, and the same sequence id) as `d` says. Where values of the two types
 * are written differently, or a client reads them differently, the packet's type stays, with what belongs to
 * it. false: the packet is none of this column's, or not understood; nothing was appended. */
bool definition_describe(struct span packet, const struct definition *d, const struct definition_context *c,
                         struct buf *out);

#endif
