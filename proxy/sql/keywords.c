/* Keyword lookup: a hash table over the list of keywords.def, filled when the program starts.
 *
 * A word is looked up by two numbers, which are its first and its last bytes (the same ones, or some of them
 * twice, where it is short): nothing is copied, and nothing behind the word is read. */
#include "proxy/sql/keywords.h"

enum { LONGEST_KEYWORD = 20, SLOT_BITS = 10, SLOTS = 1 << SLOT_BITS };

const uint8_t keyword_flag_bits[KW_COUNT] = {
    0,
#define KEYWORD(word, flags) (flags),
#include "proxy/sql/keywords.def"
#undef KEYWORD
};

static const struct {
    const char *text;
    size_t len;
} keywords[KW_COUNT] = {
    {"", 0},
#define KEYWORD(word, flags) {#word, sizeof #word - 1},
#include "proxy/sql/keywords.def"
#undef KEYWORD
};

struct key {
    uint64_t first, last;
    size_t len;
};

static struct key keys[KW_COUNT];

/* Where a keyword's hash says or behind that; KW_NONE: free. With other bits of the hash, by which almost
 * every word that is no keyword is told apart at once. */
static struct slot {
    uint16_t keyword, tag;
} slots[SLOTS];

/* Bytes of a word but for the bit that small letters have and capital ones have not. The other bytes of
 * keywords, digits and '_', become nothing by it that a word may hold. */
static inline uint64_t eight(const char *text)
{
    uint64_t bytes;
    memcpy(&bytes, text, sizeof bytes);
    return bytes & 0xdfdfdfdfdfdfdfdfu;
}

static inline uint32_t four(const char *text)
{
    uint32_t bytes;
    memcpy(&bytes, text, sizeof bytes);
    return bytes & 0xdfdfdfdfu;
}

static inline uint32_t two(const char *text)
{
    return (text[0] & 0xdfu) | (text[1] & 0xdfu) << 8;
}

/* Of two bytes at least. */
static inline struct key key_of(const char *text, size_t len)
{
    if (len >= 8)
        return (struct key){eight(text), eight(text + len - 8), len};
    if (len >= 4)
        return (struct key){four(text), four(text + len - 4), len};
    return (struct key){two(text), two(text + len - 2), len};
}

static inline uint64_t hash_of(const struct key *key)
{
    return (key->first + (key->last << 7) + key->len) * 0x9e3779b97f4a7c15u;
}

static inline unsigned slot_of(uint64_t hash)
{
    return (unsigned)(hash >> (64 - SLOT_BITS));
}

static inline uint16_t tag_of(uint64_t hash)
{
    return (uint16_t)(hash >> (64 - SLOT_BITS - 16));
}

__attribute__((constructor)) static void fill_slots(void)
{
    for (unsigned kw = KW_NONE + 1; kw < KW_COUNT; kw++) {
        keys[kw] = key_of(keywords[kw].text, keywords[kw].len);
        uint64_t hash = hash_of(&keys[kw]);
        unsigned at = slot_of(hash);
        while (slots[at].keyword)
            at = (at + 1) % SLOTS;
        slots[at] = (struct slot){(uint16_t)kw, tag_of(hash)};
    }
}

/* What the two numbers leave out of a long word. */
static bool same_middle(const char *a, const char *b, size_t len)
{
    for (size_t i = 8; i + 8 < len; i++)
        if ((a[i] & 0xdf) != (b[i] & 0xdf))
            return false;
    return true;
}

enum keyword keyword_of(struct span word)
{
    if (word.len < 2 || word.len > LONGEST_KEYWORD)
        return KW_NONE;
    const struct key key = key_of(word.ptr, word.len);
    const uint64_t hash = hash_of(&key);
    const uint16_t tag = tag_of(hash);
    for (unsigned at = slot_of(hash); slots[at].keyword; at = (at + 1) % SLOTS) {
        const struct key *k = &keys[slots[at].keyword];
        if (slots[at].tag == tag && k->first == key.first && k->last == key.last && k->len == key.len)
            return word.len <= 16 || same_middle(word.ptr, keywords[slots[at].keyword].text, word.len)
                       ? (enum keyword)slots[at].keyword
                       : KW_NONE;
    }
    return KW_NONE;
}
