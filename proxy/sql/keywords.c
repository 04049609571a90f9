/* Keyword lookup: the sorted list of keywords.def, narrowed by the first letter. */
#include "proxy/sql/keywords.h"

enum { LONGEST_KEYWORD = 20 };

static const struct {
    const char *text;
    uint8_t len, flags;
} keywords[KW_COUNT] = {
    {"", 0, 0},
#define KEYWORD(word, flags) {#word, sizeof #word - 1, (flags)},
#include "proxy/sql/keywords.def"
#undef KEYWORD
};

/* The first keyword of each letter; the entry behind Z is the end. */
static const uint16_t first_of[27] = {
    KW_ACCESSIBLE, KW_BACKUP,     KW_CACHE,   KW_DATA,  KW_EACH,      KW_FALSE,  KW_GET,
    KW_HANDLER,    KW_IDENTIFIED, KW_JOIN,    KW_KEY,   KW_LAST,      KW_MASTER, KW_NAMES,
    KW_OF,         KW_PACKAGE,    KW_QUALIFY, KW_RANGE, KW_SAVEPOINT, KW_TABLE,  KW_UNBOUNDED,
    KW_VALUE,      KW_WAIT,       KW_XA,      KW_YEAR,  KW_ZEROFILL,  KW_COUNT,
};

/* Order of a word in upper case and a keyword that has the same first letter: < 0, 0, > 0. */
static int order_of(const char *upper, size_t len, unsigned kw)
{
    const char *text = keywords[kw].text;
    size_t shorter = len < keywords[kw].len ? len : keywords[kw].len;
    for (size_t i = 1; i < shorter; i++)
        if (upper[i] != text[i])
            return (unsigned char)upper[i] < (unsigned char)text[i] ? -1 : 1;
    return len < keywords[kw].len ? -1 : len > keywords[kw].len;
}

enum keyword keyword_of(struct span word)
{
    char upper[LONGEST_KEYWORD];
    if (word.len < 2 || word.len > LONGEST_KEYWORD)
        return KW_NONE;
    unsigned letter = (unsigned char)(word.ptr[0] | 0x20) - (unsigned)'a';
    if (letter > 25)
        return KW_NONE;
    for (size_t i = 0; i < word.len; i++) {
        unsigned char c = (unsigned char)word.ptr[i];
        upper[i] = (char)(c >= 'a' && c <= 'z' ? c - 0x20 : c);
    }
    unsigned low = first_of[letter], high = first_of[letter + 1];
    while (low < high) {
        unsigned mid = (low + high) / 2;
        int order = order_of(upper, word.len, mid);
        if (order == 0)
            return (enum keyword)mid;
        if (order > 0)
            low = mid + 1;
        else
            high = mid;
    }
    return KW_NONE;
}

unsigned keyword_flags(enum keyword kw)
{
    return keywords[kw].flags;
}
