/* A session's sql_mode and character set, as far as the lexer and the parser depend on them. */
#include "proxy/sql/parser.h"

/* Not a bit of the result: it is its absence that is told (SQL_LOOSE). */
#define MODE_STRICT (1u << 31)

/* A mode's name and the bits that it stands for: the combination modes switch others on. */
static const struct {
    struct span name;
    uint32_t bits;
} modes[] = {
    {SPAN("ANSI_QUOTES"), SQL_ANSI_QUOTES},
    {SPAN("NO_BACKSLASH_ESCAPES"), SQL_NO_BACKSLASH_ESCAPES},
    {SPAN("PIPES_AS_CONCAT"), SQL_PIPES_AS_CONCAT},
    {SPAN("HIGH_NOT_PRECEDENCE"), SQL_HIGH_NOT_PRECEDENCE},
    {SPAN("IGNORE_SPACE"), SQL_IGNORE_SPACE},
    {SPAN("SIMULTANEOUS_ASSIGNMENT"), SQL_SIMULTANEOUS},
    {SPAN("ONLY_FULL_GROUP_BY"), SQL_ONLY_FULL_GROUP_BY},
    {SPAN("ANSI"), SQL_ANSI_QUOTES | SQL_PIPES_AS_CONCAT | SQL_IGNORE_SPACE},
    {SPAN("ORACLE"), SQL_ANSI_QUOTES | SQL_PIPES_AS_CONCAT | SQL_IGNORE_SPACE | SQL_ORACLE},
    {SPAN("MSSQL"), SQL_ANSI_QUOTES | SQL_PIPES_AS_CONCAT | SQL_IGNORE_SPACE | SQL_BRACKETS},
    {SPAN("DB2"), SQL_ANSI_QUOTES | SQL_PIPES_AS_CONCAT | SQL_IGNORE_SPACE},
    {SPAN("MAXDB"), SQL_ANSI_QUOTES | SQL_PIPES_AS_CONCAT | SQL_IGNORE_SPACE},
    {SPAN("POSTGRESQL"), SQL_ANSI_QUOTES | SQL_PIPES_AS_CONCAT | SQL_IGNORE_SPACE},
    {SPAN("MYSQL323"), SQL_HIGH_NOT_PRECEDENCE},
    {SPAN("MYSQL40"), SQL_HIGH_NOT_PRECEDENCE},
    {SPAN("STRICT_TRANS_TABLES"), MODE_STRICT},
    {SPAN("STRICT_ALL_TABLES"), MODE_STRICT},
    {SPAN("TRADITIONAL"), MODE_STRICT},
};

static const struct {
    struct span name;
    enum sql_charset charset;
} charsets[] = {
    {SPAN("sjis"), CHARSET_SJIS}, {SPAN("cp932"), CHARSET_SJIS},      {SPAN("big5"), CHARSET_BIG5},
    {SPAN("gbk"), CHARSET_GBK},   {SPAN("gb18030"), CHARSET_GB18030},
};

static struct span trimmed(struct span s)
{
    while (s.len && s.ptr[0] == ' ') {
        s.ptr++;
        s.len--;
    }
    while (s.len && s.ptr[s.len - 1] == ' ')
        s.len--;
    return s;
}

static uint32_t mode_bits(struct span name)
{
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++)
        if (span_ieq(name, modes[i].name))
            return modes[i].bits;
    return 0;
}

uint32_t sql_modes_of(struct span sql_mode)
{
    uint32_t bits = 0;
    size_t start = 0;
    for (size_t i = 0; i <= sql_mode.len; i++) {
        if (i < sql_mode.len && sql_mode.ptr[i] != ',')
            continue;
        bits |= mode_bits(trimmed((struct span){sql_mode.ptr + start, i - start}));
        start = i + 1;
    }
    return bits & MODE_STRICT ? bits & ~MODE_STRICT : bits | SQL_LOOSE;
}

enum sql_charset sql_charset_of(struct span name)
{
    for (size_t i = 0; i < sizeof charsets / sizeof *charsets; i++)
        if (span_ieq(name, charsets[i].name))
            return charsets[i].charset;
    return CHARSET_ASCII_SAFE;
}

bool sql_charset_known(struct span name)
{
    static const char *const known[] = {
        "armscii8", "ascii",   "big5",    "binary", "cp1250",   "cp1251",  "cp1256",   "cp1257",  "cp850",
        "cp852",    "cp866",   "cp932",   "dec8",   "eucjpms",  "euckr",   "filename", "gb18030", "gb2312",
        "gbk",      "geostd8", "greek",   "hebrew", "hp8",      "keybcs2", "koi8r",    "koi8u",   "latin1",
        "latin2",   "latin5",  "latin7",  "macce",  "macroman", "sjis",    "swe7",     "tis620",  "ucs2",
        "ujis",     "utf16",   "utf16le", "utf32",  "utf8",     "utf8mb3", "utf8mb4",
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (span_ieq(name, span_of(known[i])))
            return true;
    return false;
}
