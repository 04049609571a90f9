/* The numbers of the MySQL client/server protocol and the reading of its bytes.
 *
 *   packet:  int<3> payload length │ int<1> sequence id │ payload
 *
 * A payload of 16 MiB - 1 says that another packet follows and belongs to it; together they are one
 * logical packet, which an empty packet ends where its length is a multiple of 16 MiB - 1.
 *
 * Sources: MariaDB, "Client/Server Protocol" (mariadb.com/docs/server/reference/clientserver-protocol:
 * "0 - Packet", "1 - Connecting", "4 - Server Response Packets") and MySQL Internals, "Client/Server
 * Protocol" (dev.mysql.com/doc/dev/mysql-server/latest/PAGE_PROTOCOL.html). */
#ifndef PROTOCOL_PROTO_H
#define PROTOCOL_PROTO_H

#include "protocol/span.h"

#define PACKET_HEADER 4
#define PACKET_MAX    0xffffffu /* the longest payload of one packet */

enum {
    COM_SLEEP = 0x00,
    COM_QUIT = 0x01,
    COM_INIT_DB = 0x02,
    COM_QUERY = 0x03,
    COM_FIELD_LIST = 0x04,
    COM_STATISTICS = 0x09,
    COM_PROCESS_INFO = 0x0a,
    COM_DEBUG = 0x0d,
    COM_PING = 0x0e,
    COM_CHANGE_USER = 0x11,
    COM_BINLOG_DUMP = 0x12,
    COM_TABLE_DUMP = 0x13,
    COM_REGISTER_SLAVE = 0x15,
    COM_STMT_PREPARE = 0x16,
    COM_STMT_EXECUTE = 0x17,
    COM_STMT_SEND_LONG_DATA = 0x18,
    COM_STMT_CLOSE = 0x19,
    COM_STMT_RESET = 0x1a,
    COM_SET_OPTION = 0x1b,
    COM_STMT_FETCH = 0x1c,
    COM_BINLOG_DUMP_GTID = 0x1e,
    COM_RESET_CONNECTION = 0x1f,
    COM_CLONE = 0x20,
    COM_STMT_BULK_EXECUTE = 0xfa,
};

/* Capabilities. The upper 32 bits are MariaDB's extended ones, which stand in bytes that MySQL reserves and
 * count only where CLIENT_MYSQL is clear. */
#define CLIENT_MYSQL                     (1ull << 0)
#define CLIENT_CONNECT_WITH_DB           (1ull << 3)
#define CLIENT_COMPRESS                  (1ull << 5)
#define CLIENT_PROTOCOL_41               (1ull << 9)
#define CLIENT_SSL                       (1ull << 11)
#define CLIENT_SECURE_CONNECTION         (1ull << 15)
#define CLIENT_PLUGIN_AUTH               (1ull << 19)
#define CLIENT_CONNECT_ATTRS             (1ull << 20)
#define CLIENT_PLUGIN_AUTH_LENENC        (1ull << 21)
#define CLIENT_SESSION_TRACK             (1ull << 23)
#define CLIENT_DEPRECATE_EOF             (1ull << 24)
#define CLIENT_OPTIONAL_METADATA         (1ull << 25) /* MySQL's; never agreed on */
#define CLIENT_ZSTD                      (1ull << 26)
#define CLIENT_QUERY_ATTRIBUTES          (1ull << 27)
#define CLIENT_MULTI_FACTOR              (1ull << 28)
#define MARIADB_CLIENT_PROGRESS          (1ull << 32)
#define MARIADB_CLIENT_BULK              (1ull << 34)
#define MARIADB_CLIENT_EXTENDED_METADATA (1ull << 35)
#define MARIADB_CLIENT_CACHE_METADATA    (1ull << 36)
#define MARIADB_CLIENT_BULK_UNIT_RESULTS (1ull << 37)

/* Status flags of OK and EOF packets. */
enum {
    STATUS_IN_TRANS = 0x0001,
    STATUS_AUTOCOMMIT = 0x0002,
    STATUS_MORE_RESULTS = 0x0008,
    STATUS_CURSOR_EXISTS = 0x0040,
    STATUS_LAST_ROW_SENT = 0x0080,
    STATUS_NO_BACKSLASH_ESCAPES = 0x0200,
    STATUS_SESSION_STATE = 0x4000,
    STATUS_ANSI_QUOTES = 0x8000, /* MariaDB only */
};

static inline uint32_t get_u16(const void *p)
{
    const unsigned char *b = p;
    return (uint32_t)b[0] | (uint32_t)b[1] << 8;
}

static inline uint32_t get_u24(const void *p)
{
    const unsigned char *b = p;
    return (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16;
}

static inline uint32_t get_u32(const void *p)
{
    return get_u16(p) | get_u16((const char *)p + 2) << 16;
}

static inline uint64_t get_u64(const void *p)
{
    return get_u32(p) | (uint64_t)get_u32((const char *)p + 4) << 32;
}

static inline void put_u16(void *p, uint32_t v)
{
    unsigned char *b = p;
    b[0] = (unsigned char)v;
    b[1] = (unsigned char)(v >> 8);
}

static inline void put_u24(void *p, uint32_t v)
{
    put_u16(p, v);
    ((unsigned char *)p)[2] = (unsigned char)(v >> 16);
}

static inline void put_u32(void *p, uint32_t v)
{
    put_u16(p, v);
    put_u16((char *)p + 2, v >> 16);
}

#endif
