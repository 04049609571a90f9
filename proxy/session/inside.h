/* One client's conversation, as the files of this floor share it.
 *
 *   client ══ channel ══▶ command.c ─▶ text.c, prepare.c (rewriting) ══ channel ══▶ backend
 *          ◀═ channel ══ answer.c (tracker, pins, facts) ◀══════════════ channel ══
 *
 *   session.c  life and death, states, lists      login.c   connecting, greeting, handshake response
 *   secure.c   TLS with either side               auth.c    the dialogue of authentication
 *                                                 password.c  a password between unlike sides
 *   channel.c  sockets, backpressure              own.c     the proxy's own commands between the client's
 *   shown.c    how a result's columns are described
 *   facts.c    what a statement changes           statements.c  the prepared statements of a session
 *   temporary.c  temporary tables, which hide others
 *   syntax.c   what the server says of a text       named.c    those that SQL gave a name: PREPARE name FROM
 *              that was not understood
 *
 * An idle session owns no buffers: bytes are read into its worker's scratch buffer, handled there and sent
 * on from there. Only what must wait (a packet that is not whole, a command while another is under way,
 * what the other side's socket does not take) is copied into the session. */
#ifndef PROXY_SESSION_INSIDE_H
#define PROXY_SESSION_INSIDE_H

#include "config/log.h"
#include "protocol/handshake.h"
#include "protocol/ok.h"
#include "protocol/tracker.h"
#include "proxy/net/context.h"
#include "proxy/net/tls.h"
#include "proxy/net/zip.h"
#include "proxy/rewrite/rewrite.h"
#include "proxy/session/session.h"
#include "proxy/session/shown.h"

#define SCRATCH_SIZE  (128 * 1024)
#define OUT_HIGH      (256 * 1024) /* waiting bytes towards a side from which the other is read no more */
#define OUT_LOW       (64 * 1024)  /* and from which it is read again */
#define PIPELINE_MAX  (256 * 1024) /* commands that wait behind one under way */
#define LOGIN_MAX     (128 * 1024) /* of one packet before the client is known; below PIPELINE_MAX */
#define GATHER_MAX    (1024u * 1024 * 1024 + 64 * 1024) /* max_allowed_packet cannot be more than 1 GiB */
#define ARENA_LIMIT   (1024u * 1024 * 1024)
#define ERROR_RELAY   1105 /* libmariadb shows a server's code from 2000 on as a malformed packet */
#define ERROR_DENIED  1045
#define ERROR_REFUSED 1105 /* what cannot be rewritten */
#define BORROWS_TEXT                                                                                         \
    "Access denied: the backend could take this user for the proxy itself at its Unix socket; connect the"   \
    " proxy over TCP"
#define CLOSE_SECONDS 10   /* that a client has to take its last bytes */
#define GRACE_MS      2000 /* for a client that logs in while the process drains, and for its first work */

struct session;

/* Where a session stands. What each does with bytes from either side is in the table in session.c. */
enum state {
    STATE_CONNECT,     /* waits for the backend's socket, or for room in its queue */
    STATE_GREETING,    /* waits for the backend's greeting */
    STATE_LOGIN,       /* waits for the client's handshake response */
    STATE_CLIENT_TLS,  /* shakes hands with the client */
    STATE_BACKEND_TLS, /* and with the backend, while the client's handshake response waits */
    STATE_AUTH,        /* the two authenticate each other, at first or in COM_CHANGE_USER */
    STATE_READY,       /* no command is under way */
    STATE_COMMAND,     /* one is: being sent, or being answered */
    STATE_INFILE,      /* the client sends the file of a LOAD DATA LOCAL */
    STATE_STREAM,      /* binlog events flow; both sides may speak */
    STATE_OWN,         /* a command of the proxy's own is under way */
    STATE_HOLD,        /* an answer to DDL waits until the catalog has been read */
    STATE_CLOSING,     /* the last bytes go to the client */
    STATE_ENDED,
    STATE_COUNT,
};

/* One of a session's two sockets. `in` and what is sent are plain bytes of the protocol; between them and the
 * socket stand compression and TLS, where they were agreed on. */
struct channel {
    struct session *session;
    struct tls *tls; /* owned; NULL: in clear */
    struct zip *zip; /* owned; NULL: not compressed. Only of clients */
    int fd;
    int error;             /* eof: why */
    bool reading, writing; /* whether it is watched for that */
    bool eof;              /* nothing more comes from it */
    bool reset;            /* eof: by a reset */
    bool broken;           /* it takes nothing more; what it still sends is read */
    bool hung_up;          /* the backend was told that nothing more comes */
    bool quit;             /* COM_QUIT passed: either side closes as it likes */
    bool abrupt;           /* the other side ended by a reset, or without its TLS's goodbye: so does this */
    bool patient;          /* a large answer comes: it is told to be readable when there is much to read */
    bool woken;            /* patient: it was told to be readable since the last glance */
    size_t streamed;       /* of the answer under way, so far. Only of backends */
    struct timer glance;   /* patient: at what waits */
    struct watch watch;
    struct buf in;      /* read, and not consumed yet */
    struct buf out;     /* to be written */
    struct span direct; /* to be written behind `out`; in the buffer it was read into, so only for the time
                           of one callback */
};

/* What a text changes in the session once it has run. */
struct changes {
    uint32_t facts;       /* FACT_… */
    struct span database; /* malloc'ed: FACT_USE, the default database that it chooses */
    struct buf temporary; /* FACT_TEMPORARY: pieces of (created 1, length 2, "db.table") */
};

/* What stands between a client and a backend of which one may be secure and the other not: password.c. */
struct password {
    uint8_t plugin, step; /* enum auth_plugin; enum step */
    char salt[AUTH_SALT_SIZE];
    struct buf secret; /* wiped when it has been sent */
};

struct own_command;
struct statement;

struct named_change;

/* Its statements with a name, and what the text under way does to them. */
struct named {
    struct statement *statements; /* by their names (uthash) */
    struct named_change *changes; /* in the order of the text; take effect with its answer */
    bool uncertain;               /* which result of the text is whose cannot be told */
    struct rewrite_value *values; /* malloc'ed: what the text's expressions are */
    size_t value_count;
};

struct session {
    struct session *next, **link; /* in the worker's list */
    struct worker *worker;
    struct shared *shared;
    uint64_t id;
    enum state state;
    struct channel client, backend;
    struct timer timer; /* of the state */
    struct backend_cursor tried;
    unsigned queued_ms;       /* that it has waited for room in the queue of the backend's Unix socket */
    struct accepted accepted; /* who the client is */

    struct tls_contexts *tls;        /* a reference; of the time that it began */
    uint8_t client_seq, backend_seq; /* in a dialogue: the next packet's sequence id towards either side */
    uint64_t compressions; /* CLIENT_COMPRESS, CLIENT_ZSTD: those that the backend offers, and so do we */
    uint64_t server_capabilities;    /* as offered by the backend */
    uint64_t capabilities;           /* of the connection to the backend */
    uint8_t compression, zstd_level; /* enum zip_algorithm: what begins when the client has logged in */
    bool strip_state;                /* the client did not ask for session tracking; we did */
    bool mariadb;
    uint32_t server_version, connection_id;
    char *user, *program; /* malloc'ed */
    unsigned auth_turns;  /* packets that the client may send in the dialogue */
    struct password password;
    struct login *change; /* the COM_CHANGE_USER under way: owned, with its own strings behind it */

    /* The command under way */
    uint8_t command;
    struct tracker tracker;
    uint32_t send_left; /* bytes of the client's packet that just pass */
    bool send_joined;   /* the packet that passes has the full length: another follows */
    uint8_t next_seq;   /* of the client's next packet towards the backend */
    uint8_t renumber;   /* added to the sequence ids of the answer */
    size_t joined; /* the packet at the head of client.in is joined to this payload length; 0: it is not */
    struct changes text_changes;   /* of a COM_QUERY or COM_INIT_DB */
    struct shown text_shown;       /* of a COM_QUERY */
    const struct shown *shown;     /* of the command under way: text_shown or a statement's; NULL: none */
    const struct changes *pending; /* of the command under way: text_changes or a statement's; NULL: none */
    struct statement *preparing;   /* the COM_STMT_PREPARE under way (owned) */
    struct statement *executing;   /* whose answer is under way; in `statements` */
    const struct own_command *own;
    struct buf again; /* the client's COM_STMT_EXECUTE, to be tried again when the backend answers 1615 */
    bool tried_again;
    struct buf own_error; /* ERR payload that the proxy's own command got; where its done() leaves that here,
                             it answers the client's command when that is tried again */
    struct buf held;      /* STATE_HOLD: the packet */
    uint64_t ticket;      /* STATE_HOLD: what it waits for */

    /* What is known of the backend's session */
    uint16_t status;   /* flags, from the last OK or EOF */
    bool status_stale; /* an ERR came since, which carries none */
    bool sql_prepared; /* statements may have got a name without being seen */
    bool schema_told;  /* the answer under way said which database is the default now */
    bool charset_told; /* and in which character set texts are read */
    bool asked;        /* the modes were asked for this command already */
    bool cursor;       /* COM_STMT_EXECUTE: it asks for a cursor */
    bool syntax_taken; /* the server takes the command's text, which was not understood here */
    bool modes_known, charset_known, database_known;
    bool charset_doubted; /* where it is not known, what the server told last may not be all */
    bool flags_told;      /* an answer behind the login had status flags */
    bool modes_doubted;   /* where they are not known, the status flags may be wrong about them */
    struct sql_dialect dialect;
    char *database; /* malloc'ed, or NULL: none */
    size_t database_len;
    struct span *temporary;                  /* malloc'ed array of malloc'ed "db.table"s */
    bool *temporary_doubted;                 /* malloc'ed: for each, whether it may be gone unseen */
    size_t temporary_count, temporary_asked; /* asked: which the server is asked about */
    uint32_t temporary_changes; /* how often it changed: what was prepared before may mean other tables now */
    char *sql_mode, *charset, *collation; /* malloc'ed: as the server last said; NULL: it never was asked */

    struct generation *pin;
    uint64_t pinned_at; /* milliseconds of the coarse monotonic clock */

    struct statement *statements; /* the prepared ones, by the id that the client has (uthash) */
    struct named named;
    uint32_t last_prepared; /* the client's id; statement id -1 means it */
    uint8_t own_step;       /* for the own command under way */
    uint32_t own_columns;
    struct renewal *renewal; /* a statement is being prepared anew (owned) */
};

/* What the sessions of one worker share. */
struct shared {
    struct session *sessions, *dead;
    struct loop *loop; /* the worker's */
    struct arena *arena;
    struct shapes *shapes; /* what clients' texts became */
    char own_name[64];     /* of the user that the process runs as */
    char *sealed; /* SCRATCH_SIZE bytes that TLS has not opened yet; NULL: no connection has TLS so far */
    struct zip_tools *zip; /* NULL: no connection is compressed so far */
    struct buf sealer;     /* lends its memory to a connection while that seals */
    struct timer trim;     /* looks through the memory that is kept for large statements */
    struct buf built;      /* a rewritten text's packet, on its way from the rewriter to the socket; an
                              execution's types */
    char scratch[SCRATCH_SIZE];
};

/* ---- session.c ---- */

/* The one function that moves a session to another state; which moves there are is in its table. */
void session_move(struct session *s, enum state to);

/* Ends a session: both sockets are closed at once. It is freed when the callback that runs has returned;
 * calling it twice is harmless. `reason` goes to the log. */
void session_end(struct session *s, const char *reason);

/* The same for what should not happen: a warning. */
__attribute__((cold)) void session_fail(struct session *s, const char *reason);

/* Ends it when the client has taken what waits for it. */
void session_close(struct session *s, const char *reason);

/* The end of every callback: flushes, follows the sockets' interest, ends what is idle while the process
 * drains, frees what has ended. `s` may be gone. */
void session_leave(struct session *s);

/* Frees the sessions that ended. */
void sessions_reap(struct shared *shared);

/* Sets or clears the state's one timer; milliseconds, 0 clears. */
void session_timer(struct session *s, unsigned ms);

/* Handlers of the table: take bytes, return how many are consumed; 0: wait for more, or for another state. */
typedef size_t session_bytes(struct session *s, char *bytes, size_t len);
session_bytes *session_handler(const struct session *s, const struct channel *from);

/* ---- channel.c ---- */

void channel_init(struct channel *c, struct session *s);
void channel_open(struct channel *c, int fd);
void channel_shut(struct channel *c);

/* Sends bytes that stay where they are until the callback ends. */
void channel_send(struct channel *c, const char *bytes, size_t len);

/* The buffer to append bytes to that do not stay; what channel_send() took before goes first. */
struct buf *channel_out(struct channel *c);

/* Writes what the socket takes. */
void channel_flush(struct channel *c);

/* Whether something still has to be written. */
bool channel_waits(const struct channel *c);

/* Whether there is nothing to flush, and no memory that waits for it. */
static inline bool channel_rests(const struct channel *c)
{
    return c->direct.len == 0 && c->out.cap == 0 && !c->out.failed && !c->writing && !c->tls && !c->zip;
}

/* From here on the bytes are compressed, those that wait in `in` too. false: out of memory. */
bool channel_compress(struct channel *c, enum zip_algorithm algorithm, unsigned level);

/* From here on the socket's bytes are TLS. What was to be sent before goes in clear. Takes `t`. */
bool channel_secure(struct channel *c, struct tls *t);

/* Adds and removes events so that each side is read only while the other takes it. */
void channels_interest(struct session *s);

/* The answer that was read with patience has ended: what comes next is read at once. */
void channel_hurry(struct channel *c);

/* Handles what waits in the client's buffer, now that the state may take it. */
void client_resume(struct session *s);

/* ---- login.c ---- */

void login_connect(struct session *s);
void login_connected(struct session *s); /* the backend's socket became writable */
void login_timed_out(struct session *s); /* in a state before STATE_READY */
/* Milliseconds that the client has for its part of the login. */
unsigned login_time(const struct session *s);

/* The backend closed, or never took the connection. true: it had not greeted, so another one is tried. */
bool login_backend_closed(struct session *s);
session_bytes greeting_from_backend, login_from_client;

/* The whole packet at `bytes`: its payload, or {NULL, 0} while it is not whole. */
struct span whole_packet(char *bytes, size_t len);

/* ---- secure.c ---- */

/* The client asks for TLS: its packet is taken, and what follows is TLS. */
void secure_client(struct session *s);

/* The same with the backend: `login` is the handshake response that waits, with the capabilities it will
 * have. It is tried again when hands were shaken. */
void secure_backend(struct session *s, struct span login, uint64_t capabilities);

void secure_shaken(struct channel *c);                     /* TLS has shaken hands */
void secure_failed(struct channel *c, const char *reason); /* or failed, then or later */
void secure_timed_out(struct session *s);                  /* STATE_BACKEND_TLS */

/* How many bytes may be read from the client now: before it has logged in, none behind a request for TLS. */
size_t secure_client_room(const struct session *s);

/* ---- auth.c ---- */

session_bytes auth_from_client, auth_from_backend;
/* COM_CHANGE_USER; a handler of command.c's table. */
session_bytes change_user_begin;

/* The handshake response or COM_CHANGE_USER at `bytes` goes to the backend: the dialogue begins. */
void auth_begin(struct session *s, char *bytes, struct span payload, const struct login *l);

/* Whether the backend could take the client for the proxy itself, and let it in for that. */
bool auth_borrows(const struct session *s, struct span user);

/* ---- password.c ---- */

/* A handshake response or COM_CHANGE_USER comes. true: `out` is what goes in place of the payload. */
bool password_begin(struct session *s, struct span payload, const struct login *l, struct buf *out);

/* A packet of the dialogue. true: it was taken, and what it causes has been sent. */
bool password_from_client(struct session *s, struct span payload);
bool password_from_backend(struct session *s, struct span payload);

/* Whether the client answers a packet of the backend. */
bool password_expects(const struct session *s, struct span payload);

/* The dialogue has ended. */
void password_forget(struct session *s);

/* Remembers who the client is. */
void login_remember(struct session *s, const struct login *l);

/* ---- command.c ---- */

session_bytes command_from_client, rest_from_client, infile_from_client, stream_from_client;

/* Passes the packet at `bytes` on and follows its answer; the rest of it passes as it comes. Returns the
 * bytes consumed. */
size_t command_forward(struct session *s, char *bytes, size_t len);

/* Sends a command made by the proxy in place of the client's, whose logical packet had `parts` packets, and
 * follows its answer. */
void command_send(struct session *s, struct span head, struct span body, size_t parts);

/* The same for a packet that a rewritten text was built as, alone in `built`: a large one is taken, its
 * buffer with it. */
void command_send_built(struct session *s, struct buf *built, size_t parts);

/* Answers the client's command, which had `parts` packets, with an ERR packet. */
void command_refuse(struct session *s, size_t parts, unsigned code, struct span message);

/* A command that must be seen whole. */
struct gathered {
    struct span payload; /* from the command byte; {NULL, 0}: not yet whole, wait */
    size_t size, parts;  /* on the wire */
};

/* false: it is too long to be gathered; pass it on. */
bool command_gather(struct session *s, char *bytes, size_t len, struct gathered *out);

/* ---- answer.c ---- */

session_bytes answer_from_backend, idle_from_backend;

/* The command under way has its whole answer: pins, facts, the next state. `ok`: it ended without ERR. */
void answer_ended(struct session *s, bool ok);

/* Lets a held answer go. */
void answer_release(struct session *s);

/* Whether a statement that began now would meet no rules at all. */
bool session_unruled(const struct session *s);

/* Takes the newest snapshot for a statement, unless one is pinned. */
const struct rules *session_pin(struct session *s);

/* Gives the pin back unless a transaction holds it. */
void session_unpin(struct session *s);

/* A newer snapshot was adopted: find out whether an idle session may let go of its own. */
void session_adopted(struct session *s);

/* ---- facts.c ---- */

/* What an OK packet says of the session. */
void facts_from_ok(struct session *s, struct span payload);
void facts_status(struct session *s, uint16_t status);
uint32_t facts_modes_in_flags(const struct session *s); /* SQL_…: those that the server's status flags tell */
void facts_set_database(struct session *s, struct span name);
void facts_forget(struct session *s); /* modes, character set and database are unknown */

/* The command under way has its answer: what it changes is known now. */
void facts_apply(struct session *s, bool ok);
void facts_free(struct session *s);

/* Remembers sql_mode, the client's character set and the connection's collation as the server said them. */
void facts_set_modes(struct session *s, struct span sql_mode, struct span charset, struct span collation);

/* Whether a text changes anything: what it reads and writes does not count. */
static inline bool changes_any(const struct rewrite_result *r)
{
    return (r->facts & ~(uint32_t)(FACT_READS | FACT_WRITES)) || r->temporary_count > 0;
}

/* What a text changes. *c must be empty or hold what an earlier text changes. false: out of memory. */
bool changes_set(struct changes *c, const struct rewrite_result *r, const struct rules *rules);
void changes_free(struct changes *c);

/* What the rewriter has to know. */
struct rewrite_session facts_rewrite_session(struct session *s, const struct rules *rules, bool prepared);

/* Counts a statement on the migrations that it touches. */
void facts_count(const struct rewrite_result *r);

/* ---- temporary.c ---- */

/* A text has made and dropped these (struct changes). */
void temporary_apply(struct session *s, const struct buf *pieces, bool ok);
void temporary_forget(struct session *s);

/* Something ran that may have dropped any of them: a routine, a trigger. */
void temporary_doubt(struct session *s);

/* A text may name a table of the rules: asks the server about one that may be gone and would hide such a
 * table. false: there is none. */
bool temporary_ask(struct session *s, const struct rules *rules);

/* ---- own.c ---- */

/* A command of the proxy's own, between two of the client's. Its answer does not reach the client. */
struct own_command {
    const char *name;
    enum answer answer;
    /* A packet of the answer; kind and fields are in s->tracker. May be NULL. */
    void (*packet)(struct session *s, struct span payload);
    /* The answer is whole; s->own_error holds its ERR payload, if it was one: what is left there answers the
     * client's command. The state is STATE_READY again, and the command that caused it is tried anew behind
     * this call. */
    void (*done)(struct session *s, bool ok);
};

void own_begin(struct session *s, const struct own_command *own, struct span head, struct span body);

/* The same for a COM_QUERY. */
void own_query(struct session *s, const struct own_command *own, struct span text);
session_bytes own_from_backend;

/* Asks the backend for sql_mode, character set and database. */
void own_ask_modes(struct session *s);

/* Asks for the status flags. */
void own_ping(struct session *s);

/* Answers the client's command with the ERR that the proxy's own one got. false: there is none. */
bool own_error_answer(struct session *s, size_t parts);

/* ---- text.c, prepare.c, execute.c ---- */

session_bytes query_begin, init_db_begin;
session_bytes prepare_begin, execute_begin, bulk_begin, long_data_begin, statement_begin;

enum text_plan { TEXT_FORWARD, TEXT_SEND, TEXT_REFUSE, TEXT_WAIT };

/* What becomes of a text under the pinned rules. TEXT_WAIT: an own command was begun, try again after it.
 * `as`: the statement whose dialect and database the text is read by; NULL: the session's.
 * `head`: of a COM_QUERY, what stands before its text in the packet; what the text is rewritten to becomes a
 * packet with that head in the worker's `built`. A null pointer: it is another command's, to be prepared, and
 * its text is in the worker's arena. Either is there until the next call. */
enum text_plan text_decide(struct session *s, struct span text, const struct statement *as, struct span head,
                           struct rewrite_result *out);

/* A packet of PREPARE's answer that the client must see otherwise, or that must be remembered. */
void prepare_answer(struct session *s, enum track_event ev, struct span packet);
void prepare_number(struct session *s, char *packet); /* the same for one that was made anew: its number */
void execute_ended(struct session *s, bool ok);

/* The backend says that the statement must be prepared anew: lets the client's command be tried again behind
 * this. false: that was done already, or the command is not there any more; the client gets the error. */
bool execute_again(struct session *s);
void statements_clear(struct session *s);

/* ---- named.c ---- */

/* The text under way has its answer. */
void named_ended(struct session *s, bool ok);

/* Forgets all. */
void named_clear(struct session *s);

#endif
