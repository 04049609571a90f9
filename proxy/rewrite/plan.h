/* What the files of the rewriter share while they work on one statement. Not for use outside of
 * proxy/rewrite.
 *
 *     resolve.c      which table, and which migration's column, a name means: scopes and sources
 *     labels.c       what result columns are called; GROUP BY, HAVING and ORDER BY
 *     same_names.c   items of one name: which one ORDER BY and HAVING mean
 *     read_flip.c    queries and expressions: references to old columns become the backward expression
 *     sargable.c     conditions and orders that an index on a new column serves
 *     join.c         USING and NATURAL
 *     star.c         `*` in the table's old shape
 *     origins.c      how a result's columns are described
 *     old_shape.c    a table as a derived one that shows the old shape: the last resort
 *     dual_write.c   what the writing files share: which columns a statement sets, what is to be added
 *     insert.c, update.c    the statements that write
 *     convert.c      a repeated value as the old column would have stored it
 *     default.c      a column's default as an expression
 *     statement.c    everything that is not DML
 *     dynamic.c      SQL in strings: PREPARE, EXECUTE
 *     letters.c      names that only the server takes for a migration's
 *     effects.c      what a statement changes beside rows
 *     create_table.c CREATE TABLE … SELECT
 *
 * Refusing is sticky: the first reason stays, and what is done afterwards is thrown away; so functions go
 * on without checking. */
#ifndef PROXY_REWRITE_PLAN_H
#define PROXY_REWRITE_PLAN_H

#include "proxy/rewrite/edits.h"
#include "proxy/rewrite/rewrite.h"

struct touch_node {
    struct rewrite_touch touch;
    struct touch_node *next;
};

/* A SELECT that was walked, with its scope. */
struct walked {
    const struct select *select;
    const struct scope *scope;
    struct walked *next;
};

struct plan {
    struct arena *arena;
    const struct rewrite_session *session;
    const struct rules *rules;
    struct span text;     /* the whole text; the statement's ranges count from its beginning */
    struct span database; /* the default database at this statement */
    const struct rewrite_temporary *noted; /* temporary tables that the text has made or dropped so far */
    size_t noted_count;
    size_t ran_noted; /* of those, by the last statement that may have run a routine, which may drop them */
    bool ran;         /* there was one */
    const struct stmt *stmt;
    struct edits edits; /* of the whole text */
    struct markers markers;
    bool markers_known;
    struct rewrite_named *named_ops; /* of the whole text */
    size_t named_op_count, named_op_cap;
    struct rewrite_shown *shown; /* of the whole text */
    size_t shown_count, shown_cap;
    size_t shown_before; /* those of earlier statements */
    size_t part;         /* the statement's place in the text */
    size_t values_used;  /* of session->values */
    struct span ask;
    bool charset_set;   /* an earlier statement of the text sets a character set or a collation */
    bool acted;         /* an earlier statement of the text may have given a variable another value */
    bool unseen;        /* an earlier statement of the text had FACT_PREPARED */
    bool within;        /* some SQL in a string may name a migrated table */
    bool values_matter; /* rewrite_result's: set wherever a literal's text is read or repeated */

    struct touch_node *touches; /* newest first */
    uint32_t touch_count;
    const struct select *answer;       /* whose select list the statement is answered by; NULL: none's */
    struct walked *walked;             /* newest first */
    bool prepares;                     /* SQL that cannot be seen, or under a name that cannot be followed */
    const struct rewrite_result *runs; /* EXECUTE: what the text that it runs came out as; NULL: not known */
    uint32_t flips;                    /* references replaced so far */
    bool locks;                        /* some query has FOR UPDATE or LOCK IN SHARE MODE */
    bool reshapes;     /* planned once more, with tables in their old shape where names are not enough */
    uint32_t reshaped; /* tables that were given it */
    bool names_table;  /* a migrated table is named */
    const struct source *target; /* INSERT's, while what its rows are made of is walked */
    bool reads_target;           /* that reads the target's table, or a view that may be over it */
    /* Migrations in force of the tables that are named: any, and one that does not let pass. */
    const struct rule *named, *strict;
    struct span unparsed;    /* refused for that: the SQL that was not understood, the text or what it runs */
    bool refused;            /* the first refusal: */
    const struct rule *rule; /* whose, or NULL */
    const char *reason, *hint;
};

/* A table of a FROM clause, or what is written to. */
enum source_kind {
    SOURCE_TABLE,  /* a base table or view */
    SOURCE_QUERY,  /* a derived table or a CTE */
    SOURCE_OPAQUE, /* columns that are not known: JSON_TABLE, a row alias */
};

#define SOURCE_MAX_RULES 32

struct source {
    enum source_kind kind;
    struct span name;                  /* what qualifies its columns */
    struct span db;                    /* SOURCE_TABLE */
    struct span qualifier;             /* what to write before ".column": as it stands in the statement */
    const struct catalog_table *table; /* NULL: not known */
    const struct rule *const *rules;   /* the migrations of this table, those that are done left out */
    uint32_t rule_count;
    const struct query *query;       /* SOURCE_QUERY */
    const struct scope *shape;       /* SOURCE_QUERY: whose select list gives the columns; may be NULL */
    const struct name_list *columns; /* SOURCE_QUERY: given names */
    bool nullable;                   /* on the inner side of an outer join */
    bool one_group; /* what is walked is of the one group of all rows: there may be none, columns are NULL
                       then */
    bool reshaped;  /* a derived table now that shows the old columns: has no rules */
    /* While a SET list is walked, by index in `rules`: whose old columns are read as they are, because the
     * statement itself stores into them. A copy of the source goes by the original's. */
    uint32_t *frozen, frozen_here;
    struct source *next;
};

/* The tables that the names of one SELECT (or UPDATE …) may mean. */
struct joined_name {
    struct span name;
    const struct source *owner;  /* the left side's: what the name alone means */
    const struct source *hidden; /* the right side's */
    bool by_condition;           /* the join was rewritten: the name alone would be ambiguous */
    struct joined_name *next;
};

struct scope {
    struct source *first, *last;
    struct source *visible; /* while an ON clause is walked: the join's first table; else NULL */
    const struct scope *outer;
    const struct select *select; /* NULL in UPDATE and DELETE */
    const struct ctes *ctes;
    bool joins_by_name;         /* has NATURAL or USING */
    struct joined_name *joined; /* the columns that they compare, as far as they are known */
    bool in_having;
    bool assigns_first; /* INSERT: of its tables only the first one can be assigned to */
    bool sorts;         /* while an expression of GROUP BY or ORDER BY is walked: aliases are done */
    bool old_shape;     /* its tables are given their old shape */
    bool orders_rows;   /* while an ORDER BY is walked that sorts the tables' rows, not groups */
};

/* The CTEs in sight, innermost first. */
struct ctes {
    const struct cte *cte;
    const struct scope *shape;
    const struct ctes *outer;
};

/* A reference that is a migration's column. */
struct column_ref {
    const struct source *source;
    const struct scope *scope;
    const struct rule *rule;
    const struct rule_column *column;
    uint32_t rule_index; /* in source->rules */
    bool is_new;
};

/* ---- plan.c ---- */

/* Room for one more of `size` bytes each behind `count`; NULL where the arena has failed. */
void *grown(struct arena *arena, void *items, size_t count, size_t size, size_t *cap);

/* Refuses the statement, unless `rule` is only being expanded. `reason` and `hint` are constants or in
 * the arena. */
__attribute__((cold)) void refuse(struct plan *p, const struct rule *rule, const char *reason,
                                  const char *hint);

/* The same with a name in the reason: "reads %s …". */
__attribute__((cold)) void refuse_about(struct plan *p, const struct rule *rule, const char *format,
                                        struct span name, const char *hint);

void touch(struct plan *p, const struct rule *rule, struct span column, bool write);

/* "a.`b`" or "`b`", in the arena. */
struct span column_text(struct plan *p, struct span qualifier, struct span column);

/* What stands for one of an expression's columns instead of its name. */
struct substitute {
    struct span column;
    struct fragment with;
};

/* An expression's text with its columns qualified, some of them substituted; in parentheses unless it is
 * one column or literal. */
struct fragment expression_text(struct plan *p, const struct expression *e, struct span qualifier,
                                const struct substitute *substitutes, uint32_t count);

/* The bytes of `r` as they stand after the edits so far, with the markers in it. */
struct fragment rendered(struct plan *p, struct range r);

/* ---- resolve.c ---- */

/* Whether the rule's reads are answered from the new columns. */
static inline bool rule_flips(const struct rule *r)
{
    return r->reads == SIDE_NEW;
}

/* Whether the rule makes writes of one side fill the other. */
static inline bool rule_writes_both(const struct rule *r)
{
    return r->phase != PHASE_EXPAND && r->phase != PHASE_DONE;
}

/* A source for a table by its name; `alias` may be absent. */
struct source *source_of_table(struct plan *p, const struct table_name *name, const struct name *alias,
                               const struct ctes *ctes);
void scope_add(struct scope *s, struct source *source);

/* The source that qualified references with this name mean within the scope itself, or NULL. */
struct source *source_named(struct plan *p, const struct scope *s, const struct name *db,
                            const struct name *table);

enum knowledge { HAS_NOT, HAS, MAY_HAVE };

/* Whether a source has a column of that name. */
enum knowledge source_has(struct plan *p, const struct source *s, struct span column);

/* The name under which a select item is a column of the query: empty where it is no plain name. */
struct span item_label(const struct select_item *item);

/* The rule's column of that name on this source, if any. */
bool source_column(const struct source *s, struct span name, struct column_ref *out);

/* Resolves a reference. true: it is a migration's column. Refuses where it could be one. */
bool resolve_column(struct plan *p, const struct scope *scope, const struct expr *e, struct column_ref *out);

/* Writes the table before a name that a new column has too, and that meant another table's column before: the
 * server would call it ambiguous. For references that are not replaced. */
void qualify_shared(struct plan *p, const struct scope *scope, const struct expr *e);

/* Whether a join by name hides the source's column behind the left side's. */
bool is_hidden(const struct scope *s, const struct source *source, struct span name);

/* Whose column a name alone is that a join compared which is one by condition now; NULL: no such name. */
const struct source *joined_owner(const struct scope *s, struct span name);

/* Whether the application calls columns of several tables of the scope by this unqualified name. */
bool is_ambiguous(struct plan *p, const struct scope *scope, const struct expr *e);

/* ---- read_flip.c ---- */

/* Walks a query: flips what it reads. Returns the scope of its leftmost SELECT, NULL where there is none.
 * `exists`: only whether there are rows matters. */
struct scope *walk_query(struct plan *p, const struct query *q, const struct scope *outer,
                         const struct ctes *ctes, bool exists);
void walk_expr(struct plan *p, const struct scope *s, const struct expr *e);
void walk_exprs(struct plan *p, const struct scope *s, const struct expr *list);
void walk_window(struct plan *p, const struct scope *s, const struct expr *list);
const struct ctes *walk_with(struct plan *p, const struct with *with, const struct scope *outer,
                             const struct ctes *ctes);

/* The scope of a SELECT that was walked; NULL where it was not. */
const struct scope *scope_of(const struct plan *p, const struct select *select);

/* Adds the tables of a FROM clause to `s`, and walks what is in it. */
void walk_from(struct plan *p, struct scope *s, const struct table_ref *refs);

/* Refuses a write to a view's column that could be a migration's. */
void refuse_view_write(struct plan *p, const struct source *target, struct span column);

/* The same for whole rows: a column that the view leaves out gets its default, and what follows from it does
 * not. */
void refuse_view_rows(struct plan *p, const struct source *target);

/* The text that a flipped column becomes, with its parentheses, its guard and its qualifier. */
struct fragment flipped_text(struct plan *p, const struct column_ref *ref);

/* Whether the reference, read where it stands, has to come from the new columns. */
bool must_flip(const struct column_ref *ref);

/* Whether `e` is a column that becomes something else than a column. */
bool flips_to_expression(struct plan *p, const struct scope *s, const struct expr *e);

/* column -> path, column ->> path */
static inline bool is_json_path(const struct expr *e)
{
    return e->kind == EXPR_OP && (e->op == OP_JSON || e->op == OP_JSON_TEXT);
}

/* ---- sargable.c ---- */

/* Walks a condition of which only matters whether it is true (WHERE, ON): as walk_expr(), and comparisons
 * of an invertible migration's old column also ask for the new columns, so that an index on them serves. */
void walk_condition(struct plan *p, const struct scope *s, const struct expr *e);

/* The text that sorts as the old column does, by an index where there is one: the new column of a monotonic
 * migration. false: there is none. */
bool sargable_order(struct plan *p, const struct column_ref *ref, struct fragment *out);

/* Whether `e` is the text of a date that there is, in its plainest form; `time`: or of one with a time of
 * day. */
bool is_date_literal(const struct plan *p, const struct expr *e, bool time);

/* Resolves a reference that is read where it stands, and touches it. true: it has to come from the new
 * columns. */
bool resolve_read(struct plan *p, const struct scope *s, const struct expr *e, struct column_ref *ref);

/* Puts the backward expression in the place of a reference. */
void flip(struct plan *p, const struct column_ref *ref, struct range at);

/* ---- labels.c ---- */

/* An expression without what the server drops when it names a result column: (a) and +a are a. */
const struct expr *bare(const struct expr *e);

/* Whether all rows are one group, also where there are none. `select` may be NULL. */
bool has_one_group(const struct select *select);

void walk_items(struct plan *p, struct scope *s, const struct select_item *items, struct range options);

/* Whether the expression names a new column itself: code that does knows what it means by such a name. */
bool reads_new(struct plan *p, const struct scope *s, const struct expr *e);
void walk_group(struct plan *p, struct scope *s, const struct order_item *item, bool rollup);

/* Within an expression of GROUP BY or ORDER BY, and in a window's PARTITION BY, a name is a column before it
 * is an alias: where a new column has an alias' name, what the alias stands for is written in its place. */
void spell_out_aliases(struct plan *p, const struct scope *s, const struct expr *e);

/* The item's place as a number; and, in the place of its name, the item itself. */
struct fragment position_text(struct plan *p, unsigned position);
void spell_out(struct plan *p, const struct select_item *item, struct range at);

/* Refuses what ONLY_FULL_GROUP_BY would, only because a grouped or selected column has become an expression.
 */
void check_full_group(struct plan *p, const struct query *q, const struct scope *s);

/* The same for a query behind IN, ANY or ALL, once it has been walked: MySQL puts the comparison into its
 * HAVING. */
void check_compared(struct plan *p, const struct query *q);
void walk_having(struct plan *p, struct scope *s, const struct expr *e);
void walk_order(struct plan *p, struct scope *s, const struct order_item *order);

/* ---- same_names.c ---- */

/* The item that a name alone in ORDER BY or HAVING means, where the server would take another one because
 * that has become an expression; NULL: the name means what it did. `position`: its place from 1, 0 behind a
 * star. */
const struct select_item *item_behind(struct plan *p, const struct scope *s, const struct expr *e,
                                      unsigned *position);

/* Puts that item in the name's place, by its position unless that is 0. */
void repeat_item(struct plan *p, const struct select_item *item, struct range at, unsigned position);

/* ---- join.c ---- */

/* A join by USING or NATURAL of the tables from `left` up to `right` with those from `right` on: left as it
 * is, made one by condition, or refused. */
void join_by_condition(struct plan *p, struct scope *s, const struct table_ref *join, struct source *left,
                       struct source *right);

/* ---- star.c ---- */
void expand_star(struct plan *p, const struct scope *s, const struct expr *star);

/* Whether `*` over the source must be written out to keep the table's old shape; refuses where it must and
 * cannot. */
bool star_reshapes(struct plan *p, const struct source *source);

/* Whether the column is one of those that `*` shows in the old shape. */
bool in_old_shape(const struct source *source, const struct catalog_column *column);

/* A column that `*` shows. */
struct shown_column {
    const struct source *source;
    struct span name;
};

/* The columns that a star shows in the old shape, in order. false: they are not known. */
bool star_columns(struct plan *p, const struct scope *s, const struct expr *star, struct shown_column **out,
                  uint32_t *count);

/* The same, also over two tables that are joined by name. */
bool star_columns_joined(struct plan *p, const struct scope *s, const struct expr *star,
                         struct shown_column **out, uint32_t *count);

/* ---- origins.c ---- */

/* Notes how the server would have described the columns of the statement's answer, once its items were
 * walked. `order`: its ORDER BY. */
void note_origins(struct plan *p, const struct scope *s, const struct select_item *items,
                  const struct order_item *order);

/* ---- old_shape.c ---- */

/* Whether the SELECT's tables are to be given their old shape: in the second planning only. */
bool wants_old_shape(const struct plan *p, const struct query *q, const struct select *select);

/* Whether MySQL's ONLY_FULL_GROUP_BY would look for the selected expressions of a SELECT DISTINCT in its
 * ORDER BY. */
bool sorts_distinct(const struct plan *p, const struct query *q, const struct select *select);

/* Makes a table of FROM a derived table that shows its old shape, where that cannot be told from the table;
 * its names then mean what they say. */
void show_in_old_shape(struct plan *p, const struct select *select, const struct table_ref *ref,
                       struct source *s);

/* Whether a name is written otherwise than the derived table's column, whose spelling the server would show.
 */
bool is_respelled(const struct scope *s, const struct expr *e);

/* ---- convert.c ---- */

/* `value` (whose expression is `e`) as the column `c` would store it, for a repetition. false: refused. */
bool stored_value(struct plan *p, const struct scope *s, const struct rule *rule,
                  const struct catalog_column *c, const struct expr *e, struct fragment value,
                  struct fragment *out);

/* The same for a value that is not in the text as `e` says it. `flipped`: it is not `e` any more, but what
 * stands for it. */
bool stored_column(struct plan *p, const struct scope *s, const struct rule *rule,
                   const struct catalog_column *c, const struct expr *e, bool flipped, struct fragment value,
                   struct fragment *out);

/* What kind of value an expression gives, as far as it can be told. */
enum value_class {
    VALUE_UNKNOWN,
    VALUE_NULL,
    VALUE_EXACT,
    VALUE_QUOTIENT, /* exact too, but how many digits its text has depends on where it goes: 1/3, IF(x,
                       1, 2.5) */
    VALUE_FLOAT,
    VALUE_STRING,
    VALUE_TEMPORAL,
    VALUE_PARAM
};
enum value_class value_class_of(struct plan *p, const struct scope *s, const struct expr *e);

/* The catalog's column that a reference means, where it is certain; else NULL. */
const struct catalog_column *column_meant(struct plan *p, const struct scope *scope, const struct expr *e);

/* Whether a part of the text gives the same value when it stands in a statement twice. */
bool is_repeatable(struct plan *p, struct range r);

/* ---- default.c ---- */

/* The column's constant default as an expression that says the same in every session. false: there is none.
 * `c` may be NULL. */
bool constant_default(struct plan *p, const struct catalog_column *c, struct fragment *out);

/* ---- rewrite.c ---- */

/* rewrite_text() for a text within the text, after temporary tables that this one has made or dropped. */
void rewrite_within(struct plan *p, const struct rewrite_session *s, struct span text,
                    struct rewrite_result *out);

/* ---- statement.c ---- */

/* Refuses for whichever migration runs. */
void refuse_running(struct plan *p, const char *reason, const char *hint);

/* ---- letters.c ---- */

/* Refuses a statement with a name that only the server may take for a migration's column. */
void check_letters(struct plan *p, struct span text);

/* ---- dynamic.c ---- */

/* PREPARE, EXECUTE, EXECUTE IMMEDIATE, DEALLOCATE PREPARE. */
void plan_dynamic(struct plan *p, const struct stmt *s);

/* ---- dual_write.c ---- */

/* Which columns a statement sets, in its order: an INSERT's list or a SET's left sides. */
struct column_list {
    struct span *names;
    uint32_t count;
};

/* How a statement stands to one rule. */
enum writes {
    WRITES_NEITHER,
    WRITES_OLD,  /* the new columns are to follow by the forward expressions */
    WRITES_NEW,  /* the old ones by the backward expressions: redeployed code */
    WRITES_BOTH, /* left as it is */
};

#define NOWHERE UINT32_MAX

/* The last place of a column in the list, NOWHERE where it is not. */
uint32_t place_of(const struct column_list *list, struct span column);

/* Also touches the columns that are set; refuses where both sides are set, but not every new column that the
 * old ones decide. `row`: a whole row is made, so that they decide all of them. */
enum writes classify_writes(struct plan *p, const struct rule *r, const struct column_list *list, bool row);

/* The columns whose values follow from those that are set: the other side's. */
struct rule_side {
    const struct rule_column *columns;
    size_t count;
};

static inline struct rule_side given_side(const struct rule *r, enum writes w)
{
    return w == WRITES_NEW ? (struct rule_side){r->new_columns, r->new_count}
                           : (struct rule_side){r->old_columns, r->old_count};
}

static inline struct rule_side following_side(const struct rule *r, enum writes w)
{
    return w == WRITES_NEW ? (struct rule_side){r->old_columns, r->old_count}
                           : (struct rule_side){r->new_columns, r->new_count};
}

/* A SET list: of UPDATE, or of ON DUPLICATE KEY UPDATE. Walks the values and adds what follows.
 * `qualify`: added names carry their table; `orderless`: an assignment may see the row before the statement
 * or what was just assigned. */
void plan_set(struct plan *p, struct scope *s, const struct assignment *set, bool qualify, bool orderless);

/* ---- insert.c, update.c, load.c, statement.c ---- */
void plan_insert(struct plan *p, const struct insert_stmt *i);
void plan_update(struct plan *p, const struct update_stmt *u);
void plan_delete(struct plan *p, const struct delete_stmt *d);
void plan_load(struct plan *p, const struct load_stmt *l);
void plan_other(struct plan *p, const struct stmt *s);
void plan_alter(struct plan *p, const struct stmt *s);         /* alter.c */
void plan_create_select(struct plan *p, const struct stmt *s); /* create_table.c */

/* Whether `needle` stands anywhere in `text`, within a word too, ASCII case aside. */
bool contains(struct span text, struct span needle);

/* SET STATEMENT sql_mode = … FOR it. */
bool sets_modes_for_itself(const struct plan *p, const struct stmt *s);

/* Whether `text` may mean the rule's table: a name in it is the table's (or stands somewhere in a text that
 * cannot be cut into tokens), and the default database or some place in it is the table's database. */
bool text_names(const struct plan *p, struct span text, const struct rule *r);

/* Whether SQL in strings may be run in the text: PREPARE or EXECUTE is a word of it. */
bool runs_strings(const struct plan *p, struct span text);

#endif
