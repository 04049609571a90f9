/* A password on its way between two connections of which one is secure and the other is not.
 *
 * Proofs are relayed, and so is a password where both sides are alike: as it is where both are secure,
 * encrypted with the server's RSA key where neither is. Where they differ, what the client says is no longer
 * what the server must hear:
 *
 *   client secure, backend not:   password ─▶ kept;  ask the backend for its key ─▶ encrypted with that
 *   backend secure, client not:   asks for a key ─▶ is given ours;  encrypted with that ─▶ the password
 *
 * What "secure" is, the servers say: TLS, and for caching_sha2_password a Unix socket too. A plugin that
 * sends a password as it is on any connection is not relayed from a secure side to an open one. */
#include "proxy/session/inside.h"

#include "protocol/auth.h"
#include "proxy/net/password_key.h"

enum step {
    STEP_RELAY,  /* what comes passes */
    STEP_ANSWER, /* the client answers with its password, or asks for a key */
    STEP_SEALED, /* it sends the password encrypted with our key */
    STEP_KEY,    /* the backend sends its key; the password waits in `secret` */
};

static bool is_secure(const struct channel *c, enum auth_plugin plugin)
{
    return c->tls || (plugin != AUTH_SHA256 && socket_is_unix(c->fd));
}

static bool differ(const struct session *s, enum auth_plugin plugin)
{
    return is_secure(&s->client, plugin) != is_secure(&s->backend, plugin);
}

/* Whether the plugin would send over an open connection what the client has sent over a secure one. */
static bool exposed(const struct session *s)
{
    return s->password.plugin == AUTH_CLEAR && is_secure(&s->client, AUTH_CLEAR) &&
           !is_secure(&s->backend, AUTH_CLEAR) && !socket_is_loopback(s->backend.fd);
}

/* By which the client asks for the key. */
static char key_request(const struct session *s)
{
    return s->password.plugin == AUTH_SHA256 ? 1 : 2;
}

/* ---- packets of our own ---- */

static void to_backend(struct session *s, struct span payload)
{
    add_packet(channel_out(&s->backend), &s->backend_seq, payload, SPAN(""));
}

static void to_client(struct session *s, struct span head, struct span body)
{
    add_packet(channel_out(&s->client), &s->client_seq, head, body);
}

static void refuse(struct session *s, const char *text)
{
    log_warn("session %llu of %s@%s: %s", (unsigned long long)s->id, s->user ? s->user : "", s->accepted.text,
             text);
    add_err(channel_out(&s->client), s->client_seq, ERROR_RELAY, "HY000", span_of(text));
    session_close(s, text);
}

/* ---- the two translations ---- */

static void offer_key(struct session *s)
{
    const struct password_key *key = tls_password_key(s->tls);
    if (!key) {
        refuse(s, "crossfade: there is no key to encrypt the password with; connect with TLS");
        return;
    }
    to_client(s, SPAN("\x01"), password_key_public(key));
    s->auth_turns++;
    s->password.step = STEP_SEALED;
}

/* What cannot be decrypted is no password of the account: the server says so itself. */
static void pass_opened(struct session *s, struct span sealed)
{
    struct buf password = BUF_INIT;
    const struct password_key *key = tls_password_key(s->tls);
    struct span salt = {s->password.salt, sizeof s->password.salt};
    if (!key || !password_decrypt(key, sealed, salt, &password))
        buf_reset(&password);
    buf_add_byte(&password, 0);
    to_backend(s, buf_span(&password));
    password_wipe(&password);
    s->password.step = STEP_RELAY;
}

static void keep_password(struct session *s, struct span password)
{
    char request = key_request(s);
    if (password.len > 0 && password.ptr[password.len - 1] == 0)
        password.len--;
    buf_add_span(&s->password.secret, password);
    to_backend(s, (struct span){&request, 1});
    s->password.step = STEP_KEY;
}

static void pass_sealed(struct session *s, struct span pem)
{
    struct span salt = {s->password.salt, sizeof s->password.salt};
    struct buf sealed = BUF_INIT;
    if (password_encrypt(pem, buf_span(&s->password.secret), salt, &sealed))
        to_backend(s, buf_span(&sealed));
    else
        refuse(s,
               "crossfade: the password cannot be encrypted with the backend's key; set [backend_tls] mode");
    buf_free(&sealed);
    password_forget(s);
}

void password_forget(struct session *s)
{
    password_wipe(&s->password.secret);
    s->password.step = STEP_RELAY;
}

/* ---- the dialogue ---- */

bool password_begin(struct session *s, struct span payload, const struct login *l, struct buf *out)
{
    s->password.plugin = (uint8_t)auth_plugin_of(login_plugin(l));
    password_forget(s);
    bool translate = s->password.plugin == AUTH_SHA256 && differ(s, AUTH_SHA256);
    if (l->proof.len <= 1 || (!translate && !exposed(s)))
        return false;
    login_withhold(payload, l, out); /* the server will ask for it, if it is the account's plugin at all */
    return true;
}

/* Another plugin's dialogue begins. */
static bool begin_plugin(struct session *s, const struct auth_request *request)
{
    enum auth_plugin plugin = auth_plugin_of(request->plugin);
    password_forget(s);
    s->password.plugin = (uint8_t)plugin;
    memset(s->password.salt, 0, sizeof s->password.salt);
    memcpy(s->password.salt, request->salt.ptr, request->salt.len);
    if (plugin == AUTH_SHA256)
        s->password.step = STEP_ANSWER;
    if (!exposed(s))
        return false;
    refuse(
        s,
        "crossfade: the account's plugin would send the password to the backend in clear; set [backend_tls]"
        " mode");
    return true;
}

bool password_from_backend(struct session *s, struct span payload)
{
    struct auth_request request;
    if (auth_request_parse(payload, s->capabilities, &request))
        return begin_plugin(s, &request);
    if (s->password.step == STEP_KEY) {
        if (payload.len < 2 || payload.ptr[0] != 1)
            return false;
        pass_sealed(s, (struct span){payload.ptr + 1, payload.len - 1});
        return true;
    }
    if (s->password.plugin == AUTH_CACHING_SHA2 && auth_wants_password(payload))
        s->password.step = STEP_ANSWER;
    return false;
}

bool password_from_client(struct session *s, struct span payload)
{
    enum auth_plugin plugin = (enum auth_plugin)s->password.plugin;
    bool none = payload.len == 0 || (payload.len == 1 && payload.ptr[0] == 0);
    switch ((enum step)s->password.step) {
    case STEP_ANSWER:
        s->password.step = STEP_RELAY;
        if (none || !differ(s, plugin))
            return false;
        if (is_secure(&s->client, plugin))
            keep_password(s, payload);
        else if (payload.len == 1 && payload.ptr[0] == key_request(s))
            offer_key(s);
        else
            pass_opened(s, payload);
        return true;
    case STEP_SEALED:
        pass_opened(s, payload);
        return true;
    default:
        return false;
    }
}

bool password_expects(const struct session *s, struct span payload)
{
    return !(s->password.plugin == AUTH_CACHING_SHA2 && auth_fast_done(payload));
}
