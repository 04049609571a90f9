/* Keyword lookup: a hash table over the list of keywords.def, filled when the program starts. */
#include "proxy/sql/keywords.h"

enum { LONGEST_KEYWORD = 20, EIGHTS = 3, SLOT_BITS = 10, SLOTS = 1 << SLOT_BITS };

static const struct {
    char text[EIGHTS * 8]; /* zeros behind it */
    uint8_t len, flags;
} keywords[KW_COUNT] = {
    {"", 0, 0},
#define KEYWORD(word, flags) {#word, sizeof #word - 1, (flags)},
#include "proxy/sql/keywords.def"
#undef KEYWORD
};

static uint16_t slots[SLOTS]; /* enum keyword, where its hash says or behind that; KW_NONE: free */

/* Eight bytes of a word as a number, but for the bit that small letters have and capital ones have not. The
 * other bytes of keywords, digits and '_', become nothing by it that a word may hold. */
static inline uint64_t eight(const char *text)
{
    uint64_t bytes;
    memcpy(&bytes, text, sizeof bytes);
    return bytes & 0xdfdfdfdfdfdfdfdfu;
}

static inline unsigned slot_of(uint64_t first, size_t len)
{
    return (unsigned)(((first + len) * 0x9e3779b97f4a7c15u) >> (64 - SLOT_BITS));
}

__attribute__((constructor)) static void fill_slots(void)
{
    for (unsigned kw = KW_NONE + 1; kw < KW_COUNT; kw++) {
        unsigned at = slot_of(eight(keywords[kw].text), keywords[kw].len);
        while (slots[at])
            at = (at + 1) % SLOTS;
        slots[at] = (uint16_t)kw;
    }
}

enum keyword keyword_of(struct span word)
{
    char is[EIGHTS * 8] = {0};
    if (word.len < 2 || word.len > LONGEST_KEYWORD)
        return KW_NONE;
    memcpy(is, word.ptr, word.len);
    const uint64_t first = eight(is);
    for (unsigned at = slot_of(first, word.len); slots[at]; at = (at + 1) % SLOTS) {
        const char *text = keywords[slots[at]].text;
        if (eight(text) == first && eight(text + 8) == eight(is + 8) && eight(text + 16) == eight(is + 16))
            return keywords[slots[at]].len == word.len ? (enum keyword)slots[at] : KW_NONE;
    }
    return KW_NONE;
}

unsigned keyword_flags(enum keyword kw)
{
    return keywords[kw].flags;
}
