/* ALTER TABLE on a table whose migration runs: an action that drops, renames or retypes one of its columns,
 * or takes the table or its rows away, is refused; indexes, other columns and options pass.
 *
 * The actions are not in the tree: they are told by their first words, which the lexer gives. */
#include "proxy/rewrite/plan.h"
#include "proxy/sql/lexer.h"

enum { ACTION_WORDS = 8 };

/* One action of the list, as its first tokens outside of parentheses. */
struct action {
    struct span words[ACTION_WORDS]; /* names without their quotes */
    bool named[ACTION_WORDS];        /* a name for certain: quoted, or behind a dot */
    size_t count;
    bool names_column; /* any token of it, within parentheses too, is a column of the rule */
    bool qualified;    /* and one behind a dot, as in DROP COLUMN t.a */
    bool foreign;      /* one is FOREIGN */
    bool broken;       /* it could not be read */
};

static bool is_word(const struct action *a, size_t i, const char *word)
{
    return i < a->count && !a->named[i] && span_ieq(a->words[i], span_of(word));
}

static bool is_one_of(const struct action *a, size_t i, const char *const *words)
{
    for (; *words; words++)
        if (is_word(a, i, *words))
            return true;
    return false;
}

/* The place of the column's name in DROP, MODIFY, CHANGE, ALTER [COLUMN] [IF EXISTS] name. */
static size_t name_place(const struct action *a)
{
    size_t i = 1;
    i += is_word(a, i, "COLUMN");
    if (is_word(a, i, "IF"))
        i += is_word(a, i + 1, "NOT") ? 3 : 2;
    return i;
}

static bool is_rule_name(const struct action *a, size_t i, const struct rule *r)
{
    return i < a->count && rule_has_column(r, a->words[i]);
}

static bool action_breaks(const struct action *a, const struct rule *r)
{
    static const char *const no_column[] = {"INDEX", "KEY",     "PRIMARY",   "CONSTRAINT",
                                            "CHECK", "FOREIGN", "PARTITION", NULL};
    static const char *const takes_all[] = {"CONVERT", "EXCHANGE", "DISCARD", "IMPORT", NULL};
    size_t at = name_place(a);
    if (a->broken || is_one_of(a, 0, takes_all))
        return true;
    if (is_word(a, 0, "RENAME")) /* RENAME [TO] table; of a column, an index */
        return !is_one_of(a, 1, no_column) && (!is_word(a, 1, "COLUMN") || a->names_column);
    if (is_word(a, 0, "DROP") || is_word(a, 0, "ALTER"))
        return !is_one_of(a, 1, no_column) && (is_rule_name(a, at, r) || a->qualified);
    if (is_word(a, 0, "MODIFY"))
        return is_rule_name(a, at, r) || a->qualified;
    if (is_word(a, 0, "CHANGE"))
        return is_rule_name(a, at, r) || is_rule_name(a, at + 1, r) || a->qualified;
    /* a foreign key's action would write the column past the proxy */
    return is_word(a, 0, "ADD") && a->foreign && a->names_column;
}

/* MariaDB's WAIT n and NOWAIT, in front of the first action. */
static bool is_lock_wait(struct span word)
{
    return span_ieq(word, SPAN("WAIT")) || span_ieq(word, SPAN("NOWAIT"));
}

/* Reads the action that begins at the lexer, and its comma. false: there is none. */
static bool read_action(struct lexer *lx, const struct rule *r, struct action *a)
{
    unsigned depth = 0;
    bool any = false;
    struct token t = {0};
    *a = (struct action){0};
    for (;;) {
        bool behind_dot = t.type == '.';
        t = lex_next_significant(lx);
        if (t.type == TOK_END || t.type == ';')
            return any;
        any = true;
        if (t.type == ',' && depth == 0)
            return true;
        a->broken = a->broken || t.type == TOK_BAD || (t.type == TOK_QUOTED && t.folded);
        if (t.type == '(')
            depth++;
        else if (t.type == ')' && depth > 0)
            depth--;
        if (t.type != TOK_WORD && t.type != TOK_QUOTED)
            continue;
        struct span word = {lx->text + t.off, t.len};
        if (t.type == TOK_QUOTED)
            word = (struct span){word.ptr + 1, word.len - 2};
        a->names_column = a->names_column || rule_has_column(r, word);
        a->qualified = a->qualified || (behind_dot && rule_has_column(r, word));
        a->foreign = a->foreign || (t.type == TOK_WORD && span_ieq(word, SPAN("FOREIGN")));
        if (a->count == 0 && t.type == TOK_WORD && is_lock_wait(word))
            continue;
        if (depth == 0 && a->count < ACTION_WORDS) {
            a->named[a->count] = t.type == TOK_QUOTED || behind_dot;
            a->words[a->count++] = word;
        }
    }
}

static bool alter_breaks(const struct plan *p, struct range actions, const struct rule *r)
{
    struct lexer lx;
    struct action a;
    lex_init(&lx, &p->session->dialect, span_in(p->text, actions));
    while (read_action(&lx, r, &a))
        if (action_breaks(&a, r))
            return true;
    return false;
}

void plan_alter(struct plan *p, const struct stmt *s)
{
    for (const struct table_name_list *t = s->tables; t; t = t->next) {
        const struct source *source = source_of_table(p, &t->name, NULL, NULL);
        uint32_t from = range_end(t->name.range);
        for (uint32_t i = 0; i < source->rule_count; i++)
            if (t != s->tables || /* rows are exchanged with it, or it becomes a partition */
                alter_breaks(p, (struct range){from, range_end(s->range) - from}, source->rules[i]))
                refuse(p, source->rules[i],
                       "ALTER TABLE changes the migration's table or columns while it runs",
                       "end the migration or roll it back first");
    }
}
