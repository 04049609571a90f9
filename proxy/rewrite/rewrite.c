/* The main path: scan, then for every statement of the text parse, resolve and plan, then apply the edits.
 *
 * The edits of all statements are kept in one list over the whole text and applied once. One statement that
 * is refused refuses the text. */
#include "proxy/rewrite/rewrite.h"

#include "proxy/rewrite/run.h"
#include "proxy/sql/lexer.h"

bool rewrite_wanted(const struct rewrite_session *s, struct span text)
{
    if (s->rules->count == 0 && !s->find_prepared)
        return false;
    uint32_t concern = SCAN_NAME | SCAN_SESSION | SCAN_BROKEN;
    return scan_text_for(&s->dialect, text, &s->rules->names, concern) & concern;
}

bool rewrite_names(const struct rewrite_session *s, struct span text)
{
    uint32_t concern = SCAN_NAME | SCAN_BROKEN;
    return s->rules->count > 0 && scan_text_for(&s->dialect, text, &s->rules->names, concern) & concern;
}

/* ---- one statement ---- */

/* The SELECT whose list a query is answered by; NULL: there is none, or not one alone, or its rows are kept
 * and sorted or cut once more. */
static const struct select *answering(const struct query *q)
{
    unsigned steps = q->order || q->limit;
    while (q->body->kind == BODY_PAREN) {
        q = q->body->query;
        steps += q->order || q->limit;
    }
    if (steps > 1)
        return NULL;
    return q->body->kind == BODY_SELECT || q->body->kind == BODY_TABLE ? q->body->select : NULL;
}

static void plan_statement(struct plan *p, const struct stmt *s)
{
    p->answer = s->kind == STMT_QUERY && !s->explain ? answering(s->query) : NULL;
    walk_exprs(p, NULL, s->set_statement);
    switch (s->kind) {
    case STMT_QUERY:
        walk_query(p, s->query, NULL, NULL, false);
        break;
    case STMT_INSERT:
        plan_insert(p, s->insert);
        break;
    case STMT_UPDATE:
        plan_update(p, s->update);
        break;
    case STMT_DELETE:
        plan_delete(p, s->del);
        break;
    case STMT_LOAD:
        plan_load(p, s->load);
        break;
    default:
        plan_other(p, s);
        break;
    }
}

/* A rule in force whose table's name is in the text: one that does not let pass, if there is one. */
static const struct rule *rule_named(const struct plan *p, struct span text)
{
    const struct rule *found = NULL;
    for (size_t i = 0; i < p->rules->count; i++) {
        const struct rule *r = &p->rules->rules[i];
        if ((!found || found->pass_unrewritable) && rule_writes_both(r) && text_names(p, text, r))
            found = r;
    }
    return found;
}

/* A statement that was not understood: refused where it names a table whose migration runs. */
static void refuse_unparsed(struct plan *p, struct span text, enum parse_status status,
                            const struct parse_error *error)
{
    const struct rule *r = rule_named(p, text);
    struct builder b = {.arena = p->arena};
    if (!r)
        return;
    if (status == PARSE_TOO_DEEP) {
        refuse(p, r, "the statement is nested too deeply", "simplify it");
    } else if (status == PARSE_MEMORY) {
        refuse(p, r, "the statement is too large to be rewritten", "split it");
    } else {
        builder_add(&b, SPAN("syntax not understood: "));
        builder_add(&b, span_of(error->message ? error->message : "unexpected text"));
        builder_add(&b, SPAN("\0"));
        struct span reason = builder_done(&b).text;
        refuse(p, r, arena_failed(p->arena) ? "syntax not understood" : reason.ptr,
               "write it in a plainer form");
        p->unparsed = p->text;
    }
}

static struct rewrite_part *add_part(struct run *run, struct span original)
{
    struct rewrite_part *parts =
        grown(run->plan.arena, run->parts, run->part_count, sizeof *parts, &run->part_cap);
    if (!parts)
        return NULL;
    run->parts = parts;
    parts[run->part_count] = (struct rewrite_part){.original = original};
    return &parts[run->part_count++];
}

static void note_touches(struct run *run, struct rewrite_part *part)
{
    struct plan *p = &run->plan;
    struct rewrite_touch *touches = arena_alloc(p->arena, (p->touch_count + 1) * sizeof *touches);
    size_t n = p->touch_count;
    if (arena_failed(p->arena))
        return;
    for (const struct touch_node *t = p->touches; t; t = t->next) {
        touches[--n] = t->touch;
        run->out->facts |= t->touch.write ? FACT_WRITES : FACT_READS;
    }
    part->touches = touches;
    part->touch_count = p->touch_count;
}

/* Which results the text's statements have is certain until one has several. */
static void keep_shown(struct plan *p, bool rewritten)
{
    if (!rewritten || p->unseen)
        p->shown_count = p->shown_before;
    if (p->shown_count > SHOWN_MAX)
        p->shown_count = SHOWN_MAX;
    p->shown_before = p->shown_count;
}

/* A statement that passes as it came, if it passes: what it prepares or executes does too. */
static void pass_named(struct plan *p, size_t part)
{
    for (size_t i = p->named_op_count; i-- > 0 && p->named_ops[i].part == part;)
        p->named_ops[i].sent = p->named_ops[i].text;
}

static void finish_part(struct run *run, struct rewrite_part *part, struct range range, uint32_t edits_before)
{
    struct plan *p = &run->plan;
    struct rewrite_result *out = run->out;
    note_touches(run, part);
    out->touches = out->touches || p->names_table;
    out->facts |= p->prepares ? FACT_PREPARED : 0;
    p->unseen = p->unseen || p->prepares;
    if (p->refused && !p->rule)
        p->rule = p->strict ? p->strict : p->named;
    if (p->refused && !p->rule) { /* of a migration that is only being expanded: it is not in the way yet */
        edits_truncate(&p->edits, edits_before);
        p->refused = false;
    }
    bool passes = p->refused && p->rule && p->rule->pass_unrewritable && !p->strict;
    if (p->refused)
        pass_named(p, run->part_count - 1);
    if (p->refused) {
        edits_truncate(&p->edits, edits_before);
        part->verdict = REWRITE_UNREWRITABLE;
        part->rule = p->rule;
        part->reason = p->reason;
        part->hint = p->hint;
        if (out->verdict != REWRITE_UNREWRITABLE && !passes) {
            out->verdict = REWRITE_UNREWRITABLE;
            out->rule = p->rule;
            out->reason = p->reason;
            out->hint = p->hint;
            out->unparsed = p->unparsed;
        }
    } else if (p->edits.count > edits_before) {
        part->verdict = REWRITE_REWRITTEN;
        if (run->plan.session->want_parts)
            part->rewritten = edits_render(&p->edits, p->text, range, true, NULL, NULL).text;
        if (out->verdict == REWRITE_UNCHANGED)
            out->verdict = REWRITE_REWRITTEN;
    }
    keep_shown(p, part->verdict == REWRITE_REWRITTEN);
}

/* Whether a statement may run a routine: call one, be a query of a view that does, or fire a trigger. */
static bool may_run_routine(const struct plan *p, const struct stmt *s)
{
    static const bool runs_none[STMT_OTHER + 1] = {
        [STMT_USE] = true,          [STMT_PREPARE] = true,      [STMT_DEALLOCATE] = true,
        [STMT_TRANSACTION] = true,  [STMT_LOCK] = true,         [STMT_TRUNCATE] = true,
        [STMT_CREATE_TABLE] = true, [STMT_DROP_TABLE] = true,   [STMT_ALTER_TABLE] = true,
        [STMT_RENAME_TABLE] = true, [STMT_CREATE_INDEX] = true,
    };
    struct span text = span_in(p->text, s->range);
    if (s->kind == STMT_SET)
        return memchr(text.ptr, '(', text.len);
    return !runs_none[s->kind] || s->has_set_statement || s->query;
}

/* A plan is about one statement; the text, its edits and the database go on. */
static void begin_statement(struct plan *p, const struct stmt *s)
{
    p->stmt = s;
    p->touches = NULL;
    p->touch_count = 0;
    p->shown_count = p->shown_before;
    p->walked = NULL;
    p->flips = 0;
    p->reshaped = 0;
    p->locks = false;
    p->names_table = false;
    p->prepares = false;
    p->runs = NULL;
    p->unparsed = (struct span){NULL, 0};
    p->target = NULL;
    p->reads_target = false;
    p->refused = false;
    p->named = p->strict = NULL;
    p->rule = NULL;
    p->reason = p->hint = NULL;
}

/* A query that was refused, because names alone could not be replaced, is planned once more with its tables
 * in their old shape. Where that is refused too, the first reason stays. */
static void plan_old_shape(struct plan *p, const struct stmt *s, uint32_t edits_before)
{
    if (!p->refused || s->kind != STMT_QUERY || p->locks)
        return;
    struct plan first = *p;
    edits_truncate(&p->edits, edits_before);
    begin_statement(p, s);
    p->touches = first.touches;
    p->touch_count = first.touch_count;
    p->reshapes = true;
    plan_statement(p, s);
    p->reshapes = false;
    if (!p->refused && p->reshaped)
        return;
    p->refused = true;
    p->rule = first.rule;
    p->reason = first.reason;
    p->hint = first.hint;
}

/* A migration that runs: one that does not let pass, if there is one. */
static const struct rule *rule_running(const struct plan *p)
{
    const struct rule *found = NULL;
    for (size_t i = 0; i < p->rules->count; i++) {
        const struct rule *r = &p->rules->rules[i];
        if ((!found || found->pass_unrewritable) && rule_writes_both(r))
            found = r;
    }
    return found;
}

/* As rule_named(), and any where SQL in strings is run, under whatever sql_mode and character set the server
 * reads the text: one that does not let pass, if there is one. */
static const struct rule *rule_in_any_reading(const struct plan *p, struct span text)
{
    static const uint32_t modes = SQL_ANSI_QUOTES | SQL_NO_BACKSLASH_ESCAPES;
    static const uint32_t readings[] = {0, SQL_ANSI_QUOTES, SQL_NO_BACKSLASH_ESCAPES, modes};
    const size_t mode_count = sizeof readings / sizeof readings[0];
    const size_t charset_count = charset_may_matter(text) ? CHARSET_COUNT : 1;
    const struct rule *found = NULL;
    for (size_t i = 0; i < mode_count * charset_count; i++) {
        struct rewrite_session session = *p->session;
        struct plan reader = *p;
        session.dialect.modes = (session.dialect.modes & ~modes) | readings[i % mode_count];
        session.dialect.charset = (enum sql_charset)(i / mode_count);
        reader.session = &session;
        const struct rule *r = rewrite_names(&session, text) ? rule_named(&reader, text) : NULL;
        r = r || !runs_strings(&reader, text) ? r : rule_running(p);
        if (r && !r->pass_unrewritable)
            return r;
        found = found ? found : r;
    }
    return found;
}

/* `rest`: the text from the statement on, which is read otherwise where an earlier one has set the modes. It
 * is looked at behind each such statement, not behind every other one: that would take the time squared. */
static void check_modes_set(struct run *run, struct span rest)
{
    enum { MOST_LOOKS = 16 };
    struct plan *p = &run->plan;
    const struct rule *r = p->strict ? p->strict : p->named;
    if (!run->modes_set || p->refused)
        return;
    if (!r && run->look && run->looks == MOST_LOOKS) {
        refuse_running(p, "the text sets sql_mode, a character set or the database too often",
                       "send the SET by itself");
        p->names_table = p->names_table || p->refused;
        return;
    }
    if (!r && run->look) {
        run->in_rest = rule_in_any_reading(p, rest);
        run->look = false;
        run->looks++;
    }
    r = r ? r : run->in_rest;
    if (!r)
        return;
    refuse(p, r, "the text sets sql_mode or a character set before it names a migrated table",
           "send the SET by itself");
    p->names_table = true;
}

/* Its modes hold for what SQL in a string is read by, too. */
static void check_set_statement(struct plan *p, const struct stmt *s)
{
    static const char reason[] = "SET STATEMENT sql_mode changes how assignments run",
                      hint[] = "set sql_mode for the session";
    const struct rule *r = p->strict ? p->strict : p->named;
    if (!sets_modes_for_itself(p, s))
        return;
    if (r)
        refuse(p, r, reason, hint);
    else if (s->kind == STMT_PREPARE || s->kind == STMT_EXECUTE_IMMEDIATE)
        refuse_running(p, "SET STATEMENT sql_mode changes how SQL in a string is read", hint);
}

/* The statement's range, and the executable comments whole that it begins or ends in; both within `all`. */
static struct range with_comments(const struct plan *p, struct range all, struct range statement)
{
    struct lexer lx;
    struct range r = statement;
    uint32_t opened = 0;
    lex_init(&lx, &p->session->dialect, (struct span){p->text.ptr, range_end(all)});
    lx.pos = all.off;
    for (bool within = false, behind = false; within || !behind; within = lx.in_executable) {
        struct token t = lex_next(&lx);
        behind = t.off >= range_end(statement);
        if (t.type == TOK_END || (t.type == ';' && behind))
            break;
        if (!within && lx.in_executable)
            opened = t.off;
        if (within && !lx.in_executable && opened < range_end(statement) && t.off >= statement.off)
            r = range_join(r, (struct range){opened, t.off + t.len - opened});
    }
    return r;
}

/* Plans the statement at *off. false: no further one can be found. */
static bool run_statement(struct run *run, size_t *off)
{
    struct plan *p = &run->plan;
    struct parse_error error = {0};
    struct stmt *s = NULL;
    size_t from = *off;
    uint32_t before = p->edits.count;
    enum parse_status status = parse_statement(p->arena, &p->session->dialect, p->text, off, &s, &error);
    bool fatal = status == PARSE_MEMORY || status == PARSE_TOO_DEEP || arena_failed(p->arena) || !s;
    size_t end = fatal || *off <= from ? p->text.len : *off;
    begin_statement(p, s);
    if (status == PARSE_OK && !fatal) {
        if (s->kind == STMT_EMPTY)
            return *off > from;
        p->part = run->part_count;
        plan_statement(p, s);
        plan_old_shape(p, s, before);
        check_set_statement(p, s);
        check_letters(p, span_in(p->text, s->range));
    } else {
        refuse_unparsed(p, (struct span){p->text.ptr + from, end - from}, status, &error);
        p->names_table = p->refused;
    }
    check_modes_set(run, (struct span){p->text.ptr + from, p->text.len - from});
    if (s && !fatal) {
        if (!p->session->want_parts && (status != PARSE_OK || may_run_routine(p, s))) {
            p->ran = true;
            p->ran_noted = p->noted_count;
        }
        note_facts(run, s);
        run->out->param_count += s->param_count;
    }
    if (fatal) { /* whatever it is */
        run->out->facts |= FACT_MODES | FACT_PREPARED;
        p->unseen = true;
    }
    struct range range = {(uint32_t)from, (uint32_t)(end - from)};
    if (!fatal && status == PARSE_OK)
        range = s->has_executable ? with_comments(p, range, s->range) : s->range;
    struct rewrite_part *part = add_part(run, span_in(p->text, range));
    if (part)
        finish_part(run, part, range, before);
    return !fatal && *off > from;
}

/* ---- the text ---- */

static void refuse_all(struct run *run, const char *reason, const char *hint)
{
    struct rewrite_result *out = run->out;
    run->plan.database = run->plan.session->database; /* USE within the text names its database in it */
    const struct rule *r = rule_named(&run->plan, run->plan.text);
    out->part_count = 0;
    out->verdict = REWRITE_UNCHANGED;
    if (!r || r->pass_unrewritable)
        return;
    out->verdict = REWRITE_UNREWRITABLE;
    out->rule = r;
    out->reason = reason;
    out->hint = hint;
}

/* Whether every marker of the original is in the map: what is not known to be right is not sent. */
static bool map_is_whole(struct arena *arena, const struct rewrite_result *out)
{
    if (!out->param_map)
        return true;
    bool *seen = arena_alloc(arena, out->param_count + 1);
    uint32_t found = 0;
    if (arena_failed(arena))
        return true;
    for (uint32_t k = 0; k < out->out_param_count; k++) {
        found += !seen[MAP_INDEX(out->param_map[k])];
        seen[MAP_INDEX(out->param_map[k])] = true;
    }
    return found == out->param_count;
}

/* A single statement that nobody needs in its old form any more, and that will not be looked at again. */
static bool apply_over(struct run *run)
{
    struct plan *p = &run->plan;
    struct rewrite_result *out = run->out;
    if (!p->session->over || run->part_count != 1 || out->named_count > 0 || out->ask.ptr ||
        (out->facts & ~(uint32_t)(FACT_READS | FACT_WRITES)))
        return false;
    size_t len;
    const char *text = edits_apply_over(&p->edits, p->text, p->session->over, &len);
    if (text)
        out->text = (struct span){text, len};
    out->over = text != NULL;
    return out->over;
}

static void apply(struct run *run)
{
    struct plan *p = &run->plan;
    struct rewrite_result *out = run->out;
    if (apply_over(run))
        return;
    bool map = p->edits.repeats_params && p->markers.count == out->param_count && p->markers.count <= MAP_MAX;
    struct range all = {0, (uint32_t)p->text.len};
    struct buf *into = p->session->into;
    struct fragment text = edits_render(&p->edits, p->text, all, true, map ? &p->markers : NULL, into);
    if (into && text.text.ptr == into->data + into->end)
        into->end += text.text.len;
    else if (into)
        buf_add_span(into, text.text);
    out->text = text.text;
    out->out_param_count = out->param_count;
    if (map) {
        out->param_map = text.params;
        out->out_param_count = text.param_count;
    }
    if (arena_failed(p->arena) || (into && buf_failed(into)))
        refuse_all(run, "the statement is too large to be rewritten", "split it");
    else if ((p->edits.repeats_params && !map) || !map_is_whole(p->arena, out))
        refuse_all(run, "the statement's parameters cannot be repeated", "use literals in their place");
}

/* `around`: of the text that runs this one, for the temporary tables that it has made or dropped; or NULL. */
static void run_text(struct arena *arena, const struct rewrite_session *s, struct span text,
                     const struct plan *around, struct rewrite_result *out)
{
    struct run run = {
        .plan = {.arena = arena, .session = s, .rules = s->rules, .text = text, .database = s->database},
        .out = out,
    };
    size_t off = 0;
    if (around) {
        run.plan.noted = around->noted;
        run.plan.noted_count = around->noted_count;
        run.plan.ran = around->ran;
        run.plan.ran_noted = around->ran_noted;
    }
    *out = (struct rewrite_result){0};
    edits_init(&run.plan.edits, arena);
    if (text.len >= UINT32_MAX) {
        refuse_all(&run, "the statement is too large to be rewritten", "split it");
        return;
    }
    while (off < text.len && run_statement(&run, &off))
        ;
    out->parts = run.parts;
    out->part_count = run.part_count;
    out->temporary = run.temporary;
    out->temporary_count = run.temporary_count;
    out->named = run.plan.named_ops;
    out->named_count = run.plan.named_op_count;
    out->ask = run.plan.ask;
    out->within = run.plan.within;
    out->values_matter = run.plan.values_matter;
    out->modes_set = run.modes_set;
    out->shown = run.plan.shown;
    out->shown_count = run.plan.shown_count;
    out->out_param_count = out->param_count;
    if (arena_failed(arena))
        refuse_all(&run, "the statement is too large to be rewritten", "split it");
    else if (out->verdict == REWRITE_REWRITTEN)
        apply(&run);
    if (out->part_count != 1)
        out->unparsed = (struct span){NULL, 0};
}

void rewrite_text(struct arena *arena, const struct rewrite_session *s, struct span text,
                  struct rewrite_result *out)
{
    run_text(arena, s, text, NULL, out);
}

void rewrite_within(struct plan *p, const struct rewrite_session *s, struct span text,
                    struct rewrite_result *out)
{
    run_text(p->arena, s, text, p, out);
}

void rewrite_error_text(const struct rewrite_result *r, struct buf *out)
{
    buf_add_str(out, "crossfade: ");
    if (r->rule) {
        buf_add_str(out, "migration ");
        buf_add_span(out, r->rule->name);
        buf_add_str(out, ": ");
    }
    buf_add_str(out, r->reason ? r->reason : "the statement cannot be rewritten");
    if (r->hint) {
        buf_add_str(out, "; ");
        buf_add_str(out, r->hint);
    }
}
