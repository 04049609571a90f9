/* Follows a server's answer to one command through its bytes, so that a relay knows where it ends and what
 * it says, without understanding (or keeping) the rows.
 *
 *     bytes ──▶ tracker_feed ──▶ TRACK_PASS    bytes of definitions, rows, …: just relay them
 *                               TRACK_PACKET  one whole packet that decides something (OK, ERR, EOF, column
 *                                             count, PREPARE_OK, …); the answer goes on
 *                               TRACK_END     one such packet, and the answer ends with it
 *                               TRACK_MORE    nothing consumed: the packet that comes next must be seen
 *                                             whole; give it again with more bytes behind
 *
 * Rows stream in any size; only deciding packets must be whole, and they are small. Pure: no I/O, no memory.
 * Feeding any byte sequence is safe; what no server sends is TRACK_BROKEN.
 *
 * Sources: MariaDB, "4 - Server Response Packets" (OK_Packet, ERR_Packet with its progress reports,
 * EOF_Packet, Result Set Packets, LOCAL_INFILE Packet) and "3 - Binary Protocol" (COM_STMT_PREPARE,
 * COM_STMT_FETCH); MySQL, PAGE_PROTOCOL_COMMAND_PHASE. */
#ifndef PROTOCOL_TRACKER_H
#define PROTOCOL_TRACKER_H

#include "protocol/packet.h"

/* What answers a command. */
enum answer {
    ANSWER_OK,      /* OK, EOF or ERR */
    ANSWER_NONE,    /* nothing: COM_STMT_CLOSE, COM_STMT_SEND_LONG_DATA, COM_QUIT */
    ANSWER_RESULTS, /* OK, ERR, LOCAL INFILE or a result set, and more of them */
    ANSWER_PREPARE,
    ANSWER_ROWS,   /* COM_STMT_FETCH: rows, then EOF or ERR */
    ANSWER_FIELDS, /* COM_FIELD_LIST: definitions, then EOF or ERR */
    ANSWER_STRING, /* COM_STATISTICS: one packet */
    ANSWER_STREAM, /* binlog events until EOF or ERR; the client may speak meanwhile */
    ANSWER_CURSOR, /* as RESULTS, of a COM_STMT_EXECUTE that asks for a cursor: the rows may be fetched later
                    */
    ANSWER_AUTH,   /* COM_CHANGE_USER and the handshake: a dialogue until OK or ERR */
};

/* By the command byte; commands unknown are answered by OK or ERR. */
enum answer answer_of(uint8_t command);

enum track_event { TRACK_PASS, TRACK_PACKET, TRACK_END, TRACK_MORE, TRACK_BROKEN };

/* What the deciding packet is. */
enum track_kind {
    KIND_OK, /* also the OK that ends rows under CLIENT_DEPRECATE_EOF */
    KIND_ERR,
    KIND_EOF,
    KIND_INFILE,     /* the server asks the client for a file */
    KIND_COLUMNS,    /* a column count */
    KIND_PREPARED,   /* PREPARE_OK */
    KIND_PROGRESS,   /* a progress report */
    KIND_DATA,       /* another packet: of an authentication, COM_STATISTICS, whole mode */
    KIND_DEFINITION, /* of a result's column, where they are wanted */
};

struct tracker {
    uint64_t capabilities; /* of the connection */
    uint8_t step;          /* where it stands; enum step in tracker.c */
    uint8_t answer;
    bool whole;       /* every packet is a deciding one (for who must see definitions, or count packets anew);
                         but a row that was split passes, packet by packet */
    bool definitions; /* so is every definition of a result's column */
    bool joined;      /* the packet before had the full length: the next one goes on with it */
    uint32_t left;    /* bytes that pass before the next header */
    uint64_t count;   /* definitions still to come */
    uint32_t columns_after;

    /* Of the last deciding packet: */
    enum track_kind kind;
    uint16_t status;     /* OK, EOF: status flags; also kept from the last that had any */
    uint16_t error;      /* ERR: its code */
    uint32_t stmt_id;    /* PREPARE_OK */
    uint32_t columns;    /* PREPARE_OK, column count */
    uint32_t definition; /* DEFINITION: the column's place, from 0 */
    uint16_t params;     /* PREPARE_OK */
    bool rows_began;     /* a result set has begun in this answer */
    uint32_t results;    /* that have ended, and others followed */
};

/* Before the first byte of an answer. */
void tracker_begin(struct tracker *t, enum answer answer, uint64_t capabilities);

/* Takes bytes of the answer. *used is how many of them the event is about: they are to be given no more. */
enum track_event tracker_feed(struct tracker *t, const void *bytes, size_t len, size_t *used);

/* The client has sent its file's last packet (after KIND_INFILE): OK or ERR comes. */
void tracker_infile_sent(struct tracker *t);

#endif
