/* Passwords by RSA; see password_key.h. */
#include "proxy/net/password_key.h"

#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <stdatomic.h>
#include <stdlib.h>

#define KEY_BITS 2048

struct password_key {
    atomic_uint references;
    EVP_PKEY *pair;
    char *pem;
    size_t pem_len;
    bool generated;
};

/* Takes `pair`, in any case. */
static struct password_key *key_of(EVP_PKEY *pair, bool generated)
{
    struct password_key *k = pair ? calloc(1, sizeof *k) : NULL;
    BIO *bio = k ? BIO_new(BIO_s_mem()) : NULL;
    char *text;
    long len = bio && PEM_write_bio_PUBKEY(bio, pair) == 1 ? BIO_get_mem_data(bio, &text) : 0;
    char *pem = len > 0 ? malloc((size_t)len) : NULL;
    if (pem) {
        memcpy(pem, text, (size_t)len);
        *k = (struct password_key){.pair = pair, .pem = pem, .pem_len = (size_t)len, .generated = generated};
        atomic_init(&k->references, 1);
    } else {
        free(k);
        k = NULL;
        EVP_PKEY_free(pair);
    }
    BIO_free(bio);
    return k;
}

struct password_key *password_key_generate(void)
{
    return key_of(EVP_RSA_gen(KEY_BITS), true);
}

static int no_passphrase(char *out, int size, int writing, void *ctx)
{
    (void)out, (void)size, (void)writing, (void)ctx;
    return -1;
}

struct password_key *password_key_load(const char *path)
{
    BIO *bio = BIO_new_file(path, "re");
    EVP_PKEY *pair = bio ? PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL) : NULL;
    BIO_free(bio);
    if (pair && EVP_PKEY_is_a(pair, "RSA"))
        return key_of(pair, false);
    EVP_PKEY_free(pair);
    return NULL;
}

struct password_key *password_key_ref(struct password_key *k)
{
    atomic_fetch_add(&k->references, 1);
    return k;
}

void password_key_unref(struct password_key *k)
{
    if (!k || atomic_fetch_sub(&k->references, 1) != 1)
        return;
    EVP_PKEY_free(k->pair);
    free(k->pem);
    free(k);
}

bool password_key_generated(const struct password_key *k)
{
    return k->generated;
}

struct span password_key_public(const struct password_key *k)
{
    return (struct span){k->pem, k->pem_len};
}

static void mix(char *text, size_t len, struct span salt)
{
    for (size_t i = 0; i < len && salt.len > 0; i++)
        text[i] = (char)(text[i] ^ salt.ptr[i % salt.len]);
}

typedef int prepare_fn(EVP_PKEY_CTX *c);
typedef int apply_fn(EVP_PKEY_CTX *c, unsigned char *out, size_t *out_len, const unsigned char *in,
                     size_t len);

/* One RSA operation with OAEP padding; its result is appended. */
static bool operate(EVP_PKEY *key, prepare_fn *prepare, apply_fn *apply, struct span in, struct buf *out)
{
    EVP_PKEY_CTX *c = EVP_PKEY_CTX_new(key, NULL);
    size_t room = (size_t)EVP_PKEY_get_size(key);
    bool good =
        c && prepare(c) == 1 && EVP_PKEY_CTX_set_rsa_padding(c, RSA_PKCS1_OAEP_PADDING) == 1 &&
        buf_reserve(out, room) &&
        apply(c, (unsigned char *)out->data + out->end, &room, (const unsigned char *)in.ptr, in.len) == 1;
    if (good)
        out->end += room;
    EVP_PKEY_CTX_free(c);
    return good;
}

bool password_decrypt(const struct password_key *k, struct span sealed, struct span salt, struct buf *out)
{
    size_t at = buf_len(out);
    if (!operate(k->pair, EVP_PKEY_decrypt_init, EVP_PKEY_decrypt, sealed, out))
        return false;
    char *text = buf_ptr(out) + at;
    size_t len = buf_len(out) - at;
    mix(text, len, salt);
    const char *nul = memchr(text, 0, len);
    if (!nul)
        return false;
    out->end = out->start + at + (size_t)(nul - text);
    return true;
}

bool password_encrypt(struct span pem, struct span password, struct span salt, struct buf *out)
{
    struct buf text = BUF_INIT;
    buf_add_span(&text, password);
    buf_add_byte(&text, 0);
    BIO *bio = BIO_new_mem_buf(pem.ptr, (int)pem.len);
    EVP_PKEY *key = bio ? PEM_read_bio_PUBKEY(bio, NULL, no_passphrase, NULL) : NULL;
    bool good = key && EVP_PKEY_is_a(key, "RSA") && !buf_failed(&text);
    if (good) {
        mix(buf_ptr(&text), buf_len(&text), salt);
        good = operate(key, EVP_PKEY_encrypt_init, EVP_PKEY_encrypt, buf_span(&text), out);
    }
    EVP_PKEY_free(key);
    BIO_free(bio);
    password_wipe(&text);
    return good;
}

void password_wipe(struct buf *b)
{
    if (b->data)
        OPENSSL_cleanse(b->data, b->cap);
    buf_free(b);
}
