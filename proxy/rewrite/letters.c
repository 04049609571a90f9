/* Letters beyond ASCII that a server takes for ASCII ones where it compares names: to MySQL `fİrst_name` and
 * `first_name` are one column, to MariaDB from 11 on `fırst_name` and `first_name`. Programs make such names
 * where they change letter case by the rules of Turkish. Which server takes which is not known here, so a
 * statement that has such a name for a migration's column is refused; what follows AS is an alias and may be
 * anything. */
#include "proxy/rewrite/plan.h"
#include "proxy/sql/lexer.h"

/* In every character set that has them: which one a client uses is not asked. A name that such bytes complete
 * to a migration's column is hardly meant in another. */
static const struct letter {
    char ascii;
    struct span bytes;
} letters[] = {
    /* UTF-8 */
    {'i', {"\xc4\xb0", 2}},
    {'i', {"\xc4\xb1", 2}},
    {'s', {"\xc5\xbf", 2}},
    {'k', {"\xe2\x84\xaa", 3}},
    /* latin5, cp850, macroman */
    {'i', {"\xdd", 1}},
    {'i', {"\xfd", 1}},
    {'i', {"\xd5", 1}},
    {'i', {"\xf5", 1}},
    /* ujis and eucjpms, euckr */
    {'i', {"\x8f\xaa\xc4", 3}},
    {'i', {"\x8f\xa9\xc5", 3}},
    {'i', {"\xa9\xa5", 2}},
    /* gb18030 */
    {'i', {"\x81\x30\x90\x32", 4}},
    {'i', {"\x81\x30\x90\x33", 4}},
    {'s', {"\x81\x30\x97\x37", 4}},
    {'k', {"\x81\x36\xbf\x32", 4}},
};

/* The bytes that one begins with: most texts, in whatever script, have few, and are passed over quickly. */
static const bool begins[256] = {
    [0x81] = true, [0x8f] = true, [0xa9] = true, [0xc4] = true, [0xc5] = true,
    [0xd5] = true, [0xdd] = true, [0xe2] = true, [0xf5] = true, [0xfd] = true,
};

static const struct letter *letter_at(struct span s)
{
    if (s.len == 0 || !begins[(unsigned char)*s.ptr])
        return NULL;
    for (size_t i = 0; i < sizeof letters / sizeof letters[0]; i++) {
        struct span bytes = letters[i].bytes;
        if (*s.ptr == *bytes.ptr && s.len >= bytes.len && memcmp(s.ptr, bytes.ptr, bytes.len) == 0)
            return &letters[i];
    }
    return NULL;
}

/* How many bytes from `i` on are certain to be ASCII: a text of megabytes has little else. */
static size_t ascii_run(struct span s, size_t i)
{
    size_t from = i;
    for (uint64_t word; s.len - i >= sizeof word; i += sizeof word) {
        memcpy(&word, s.ptr + i, sizeof word);
        if (word & 0x8080808080808080)
            break;
    }
    return i - from;
}

static bool has_letter(struct span s)
{
    for (size_t i = ascii_run(s, 0); i < s.len; i += 1 + ascii_run(s, i + 1))
        if (begins[(unsigned char)s.ptr[i]] && letter_at((struct span){s.ptr + i, s.len - i}))
            return true;
    return false;
}

/* How many bytes of `s` may stand for the letter. 0: it is another. */
static size_t stands_for(struct span s, char letter)
{
    char lower = (char)ascii_lower((unsigned char)letter);
    if (s.len > 0 && (char)ascii_lower((unsigned char)*s.ptr) == lower)
        return 1;
    const struct letter *l = letter_at(s);
    return l && l->ascii == lower ? l->bytes.len : 0;
}

static bool may_be(struct span word, struct span name)
{
    size_t len = 1;
    for (size_t i = 0; i < name.len && len > 0; i++) {
        len = stands_for(word, name.ptr[i]);
        word = (struct span){word.ptr + len, word.len - len};
    }
    return len > 0 && word.len == 0;
}

static void refuse_letters(struct plan *p, struct span word)
{
    for (size_t i = 0; i < p->rules->count; i++) {
        const struct rule *r = &p->rules->rules[i];
        for (size_t k = 0; k < r->old_count + r->new_count; k++) {
            const struct rule_column *c =
                k < r->old_count ? &r->old_columns[k] : &r->new_columns[k - r->old_count];
            if (rule_writes_both(r) && may_be(word, c->name)) {
                p->names_table = true;
                refuse_about(p, r, "%.*s may be meant by a name with letters that are not ASCII", c->name,
                             "write the name in ASCII");
            }
        }
    }
}

void check_letters(struct plan *p, struct span text)
{
    struct lexer lx;
    struct token t;
    bool alias = false;
    if (!has_letter(text) || !rewrite_names(p->session, text))
        return;
    lex_init(&lx, &p->session->dialect, text);
    for (lex_read_significant(&lx, &t); t.type != TOK_END; lex_read_significant(&lx, &t)) {
        struct span word = {text.ptr + t.off, t.len};
        bool as = t.type == TOK_WORD && span_ieq(word, SPAN("as"));
        if (t.type == TOK_QUOTED && word.len > 2)
            word = (struct span){word.ptr + 1, word.len - 2};
        if (!alias && (t.type == TOK_WORD || t.type == TOK_QUOTED) && has_letter(word))
            refuse_letters(p, word);
        alias = as;
    }
}
