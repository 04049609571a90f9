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
    KW_OF,         KW_PACKAGE,    KW_QUARTER, KW_RANGE, KW_SAVEPOINT, KW_TABLE,  KW_UNBOUNDED,
    KW_VALUE,      KW_WAIT,       KW_XA,      KW_YEAR,  KW_ZEROFILL,  KW_COUNT,
};

enum keyword keyword_of(struct span word)
{
    char upper[LONGEST_KEYWORD];
    if (word.len < 2 || word.len > LONGEST_KEYWORD)
        return KW_NONE;
    for (size_t i = 0; i < word.len; i++) {
        unsigned char c = (unsigned char)word.ptr[i];
        upper[i] = (char)(c >= 'a' && c <= 'z' ? c - 0x20 : c);
    }
    if (upper[0] < 'A' || upper[0] > 'Z')
        return KW_NONE;
    unsigned low = first_of[upper[0] - 'A'], high = first_of[upper[0] - 'A' + 1];
    while (low < high) {
        unsigned mid = (low + high) / 2;
        size_t shorter = word.len < keywords[mid].len ? word.len : keywords[mid].len;
        int order = memcmp(upper, keywords[mid].text, shorter);
        if (order == 0 && word.len == keywords[mid].len)
            return (enum keyword)mid;
        if (order > 0 || (order == 0 && word.len > keywords[mid].len))
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
