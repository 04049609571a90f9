/* `crossfade rewrite`: the offline dry run. Reads the configuration, puts every migration into the phase
 * that was asked for, and prints what each statement of the input becomes. */
#include "proxy/rewrite_cmd.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "config/config.h"
#include "proxy/rewrite/rewrite.h"
#include "proxy/rewrite/schema.h"
#include "proxy/sql/lexer.h"

enum { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_UNREWRITABLE = 3 };

#define STATEMENT_LIMIT ((size_t)1024 * 1024 * 1024)

static const char usage[] =
    "usage: crossfade rewrite --config FILE --phase PHASE [--database DB] [--schema FILE]\n"
    "                         [--sql-mode MODES] [--charset NAME] [--server VERSION] [--prepared]\n"
    "                         [--json] [SQLFILE]\n"
    "\n"
    "Prints what each statement (';'-separated, from SQLFILE or standard input) becomes in PHASE:\n"
    "expand, dual-write, cutover or done. A statement that cannot be rewritten prints\n"
    "'-- unrewritable: REASON', and the exit status is 3.\n"
    "\n"
    "  --database DB     the default database (default: that of the migrations, if all have the same)\n"
    "  --schema FILE     CREATE TABLE statements that give the columns of the tables\n"
    "  --sql-mode MODES  the session's sql_mode, comma-separated\n"
    "  --charset NAME    the client's character set (default utf8mb4)\n"
    "  --server VERSION  mariadb-10.11.0 (default), mysql-8.4.0 …\n"
    "  --prepared        '?' are parameters, as in a prepared statement\n"
    "  --json            one JSON object a line for each statement\n";

struct options {
    const char *config, *phase, *database, *schema, *sql_mode, *charset, *server, *file;
    bool json, prepared;
};

struct run {
    struct options options;
    struct config *config;
    struct catalog *catalog;
    struct rules *rules;
    struct rewrite_session session;
    unsigned statement;
    const uint32_t *params; /* of the text: for each marker of the rewritten one the original's */
    uint32_t param_count;
    int status;
};

static int parse_options(int argc, char **argv, struct options *o)
{
    const struct {
        const char *name;
        const char **value;
        bool *flag;
    } table[] = {
        {"--config", &o->config, NULL},     {"--phase", &o->phase, NULL},
        {"--database", &o->database, NULL}, {"--schema", &o->schema, NULL},
        {"--sql-mode", &o->sql_mode, NULL}, {"--charset", &o->charset, NULL},
        {"--server", &o->server, NULL},     {"--json", NULL, &o->json},
        {"--prepared", NULL, &o->prepared},
    };
    for (int i = 1; i < argc; i++) {
        bool known = false;
        for (size_t k = 0; k < sizeof table / sizeof table[0] && !known; k++) {
            size_t len = strlen(table[k].name);
            if (strncmp(argv[i], table[k].name, len) != 0)
                continue;
            if (table[k].flag && argv[i][len] == '\0') {
                *table[k].flag = known = true;
            } else if (table[k].value && argv[i][len] == '=') {
                *table[k].value = argv[i] + len + 1;
                known = true;
            } else if (table[k].value && argv[i][len] == '\0' && i + 1 < argc) {
                *table[k].value = argv[++i];
                known = true;
            }
        }
        if (known)
            continue;
        if (strcmp(argv[i], "--help") == 0) {
            fputs(usage, stdout);
            return EXIT_OK;
        }
        if ((argv[i][0] == '-' && argv[i][1]) || o->file) {
            fprintf(stderr, "crossfade rewrite: unexpected \"%s\"\n%s", argv[i], usage);
            return EXIT_USAGE;
        }
        o->file = argv[i];
    }
    if (o->config && o->phase)
        return -1;
    fprintf(stderr, "crossfade rewrite: --config and --phase are needed\n%s", usage);
    return EXIT_USAGE;
}

/* The whole of a file; "-" or NULL: standard input. */
static bool read_file(const char *path, struct buf *out)
{
    bool standard = !path || strcmp(path, "-") == 0;
    FILE *f = standard ? stdin : fopen(path, "rb");
    if (f) {
        size_t n;
        do {
            if (!buf_reserve(out, 65536))
                break;
            n = fread(out->data + out->end, 1, 65536, f);
            out->end += n;
        } while (n > 0);
    }
    bool ok = f && !ferror(f) && !buf_failed(out);
    if (!ok)
        fprintf(stderr, "crossfade rewrite: %s: %s\n", path ? path : "standard input", strerror(errno));
    if (f && !standard)
        fclose(f);
    return ok;
}

static void report(void *ctx, const char *message)
{
    (void)ctx;
    fprintf(stderr, "%s\n", message);
}

static bool check_expression(const char *text, const char *const *columns, size_t column_count, char *error,
                             size_t error_size)
{
    return expression_check(span_of(text), columns, column_count, error, error_size);
}

/* "mariadb-10.11.0", "mysql-8.4.0" */
static bool set_server(struct sql_dialect *d, const char *server)
{
    unsigned major = 0, minor = 0, patch = 0;
    const char *dash = strchr(server, '-');
    d->mariadb = strncmp(server, "mariadb-", 8) == 0;
    if (!dash || (!d->mariadb && strncmp(server, "mysql-", 6) != 0) ||
        sscanf(dash + 1, "%u.%u.%u", &major, &minor, &patch) < 2)
        return false;
    d->version = major * 10000 + minor * 100 + patch;
    return true;
}

static bool load_schema(struct run *r, struct span database)
{
    struct buf text = BUF_INIT;
    char error[256];
    bool ok = read_file(r->options.schema, &text);
    r->catalog = catalog_new();
    if (ok && (!r->catalog || !schema_read(r->catalog, &r->session.dialect, buf_span(&text), database, error,
                                           sizeof error))) {
        fprintf(stderr, "crossfade rewrite: %s: %s\n", r->options.schema, r->catalog ? error : "memory");
        ok = false;
    }
    ok = ok && catalog_finish(r->catalog, false);
    buf_free(&text);
    return ok;
}

static bool build_rules(struct run *r, enum phase phase)
{
    size_t count = r->config->migration_count;
    struct rule_input *inputs = calloc(count + 1, sizeof *inputs);
    char error[512] = "out of memory";
    for (size_t i = 0; inputs && i < count; i++) {
        const struct config_migration *m = &r->config->migrations[i];
        bool flipped = phase >= PHASE_CUTOVER && !m->reads_pinned_old;
        inputs[i] = (struct rule_input){m, phase, flipped ? SIDE_NEW : SIDE_OLD, NULL};
    }
    if (inputs)
        r->rules = rules_build(inputs, count, r->catalog, false, r->session.dialect.mariadb,
                               r->session.dialect.version, error, sizeof error);
    free(inputs);
    if (!r->rules)
        fprintf(stderr, "crossfade rewrite: %s\n", error);
    return r->rules != NULL;
}

/* The default database: as given, else that of the migrations where they agree. */
static struct span default_database(const struct run *r)
{
    const struct config *c = r->config;
    if (r->options.database)
        return span_of(r->options.database);
    for (size_t i = 1; i < c->migration_count; i++)
        if (strcmp(c->migrations[i].db, c->migrations[0].db) != 0)
            return SPAN("");
    return c->migration_count ? span_of(c->migrations[0].db) : SPAN("");
}

static int set_up(struct run *r)
{
    enum phase phase;
    struct sql_dialect *d = &r->session.dialect;
    *d = (struct sql_dialect){.mariadb = true, .version = 101100};
    if (!phase_of(r->options.phase, &phase)) {
        fprintf(stderr, "crossfade rewrite: \"%s\" is no phase\n%s", r->options.phase, usage);
        return EXIT_USAGE;
    }
    if (phase == PHASE_CONTRACT) {
        fprintf(stderr, "crossfade rewrite: this version does not have contract\n");
        return EXIT_FAILED;
    }
    if (r->options.server && !set_server(d, r->options.server)) {
        fprintf(stderr, "crossfade rewrite: \"%s\" is no server version\n%s", r->options.server, usage);
        return EXIT_USAGE;
    }
    if (r->options.charset && !sql_charset_known(span_of(r->options.charset))) {
        fprintf(stderr, "crossfade rewrite: \"%s\" is no character set\n%s", r->options.charset, usage);
        return EXIT_USAGE;
    }
    if (r->options.sql_mode)
        d->modes = sql_modes_of(span_of(r->options.sql_mode));
    if (r->options.charset)
        d->charset = sql_charset_of(span_of(r->options.charset));
    r->config = config_load(r->options.config, check_expression, report, NULL);
    if (!r->config)
        return EXIT_FAILED;
    r->session.database = default_database(r);
    r->session.prepared = r->options.prepared;
    r->session.want_parts = true;
    if (r->options.schema && !load_schema(r, r->session.database))
        return EXIT_FAILED;
    if (!build_rules(r, phase))
        return EXIT_FAILED;
    r->session.rules = r->rules;
    return EXIT_OK;
}

/* ---- output ---- */

/* cJSON wants terminated strings: bytes behind a NUL would be lost, so a NUL becomes U+2400. */
static void add_string(cJSON *object, const char *key, struct span s)
{
    struct buf b = BUF_INIT;
    for (size_t i = 0; i < s.len; i++)
        if (s.ptr[i] == '\0')
            buf_add_str(&b, "\xe2\x90\x80");
        else
            buf_add_byte(&b, (unsigned char)s.ptr[i]);
    buf_add_byte(&b, 0);
    cJSON_AddStringToObject(object, key, buf_failed(&b) ? "" : buf_ptr(&b));
    buf_free(&b);
}

static void add_touches(cJSON *object, const char *key, const struct rewrite_part *part, bool write)
{
    cJSON *list = cJSON_AddArrayToObject(object, key);
    for (size_t i = 0; i < part->touch_count; i++) {
        const struct rewrite_touch *t = &part->touches[i];
        struct buf name = BUF_INIT;
        if (t->write != write)
            continue;
        buf_add_span(&name, t->rule->db);
        buf_add_byte(&name, '.');
        buf_add_span(&name, t->rule->table);
        buf_add_byte(&name, '.');
        buf_add_span(&name, t->column);
        buf_add_byte(&name, 0);
        if (!buf_failed(&name))
            cJSON_AddItemToArray(list, cJSON_CreateString(buf_ptr(&name)));
        buf_free(&name);
    }
}

static void print_json(const struct run *r, const struct rewrite_part *part)
{
    static const char *const verdicts[] = {
        [REWRITE_UNCHANGED] = "unchanged",
        [REWRITE_REWRITTEN] = "rewritten",
        [REWRITE_UNREWRITABLE] = "unrewritable",
    };
    cJSON *object = cJSON_CreateObject();
    cJSON_AddNumberToObject(object, "statement", r->statement);
    add_string(object, "original", part->original);
    cJSON_AddStringToObject(object, "verdict", verdicts[part->verdict]);
    if (part->verdict == REWRITE_REWRITTEN)
        add_string(object, "rewritten", part->rewritten);
    if (part->verdict == REWRITE_UNREWRITABLE) {
        if (part->rule)
            add_string(object, "migration", part->rule->name);
        cJSON_AddStringToObject(object, "reason", part->reason ? part->reason : "");
        if (part->hint)
            cJSON_AddStringToObject(object, "hint", part->hint);
    }
    if (part->verdict == REWRITE_REWRITTEN && r->params) { /* only one statement can have them */
        cJSON *list = cJSON_AddArrayToObject(object, "parameters");
        for (uint32_t i = 0; i < r->param_count; i++)
            cJSON_AddItemToArray(list, cJSON_CreateNumber(MAP_INDEX(r->params[i])));
    }
    add_touches(object, "reads", part, false);
    add_touches(object, "writes", part, true);
    char *line = cJSON_PrintUnformatted(object);
    if (line)
        puts(line);
    cJSON_free(line);
    cJSON_Delete(object);
}

/* Prints a statement on one line: blanks that break it become a blank, comments that end with the line
 * are left out, and a line break within a string its escape where there is one. */
static void print_line(const struct run *r, struct span s)
{
    struct lexer lx;
    lex_init(&lx, &r->session.dialect, s);
    for (struct token t = lex_next(&lx); t.type != TOK_END; t = lex_next(&lx)) {
        const char *p = s.ptr + t.off;
        bool line_comment = t.type == TOK_COMMENT && (p[0] == '#' || p[0] == '-');
        bool escape = t.type == TOK_STRING && !(r->session.dialect.modes & SQL_NO_BACKSLASH_ESCAPES);
        if (line_comment) {
            putchar(' ');
            continue;
        }
        for (uint32_t i = 0; i < t.len; i++)
            if (p[i] != '\n')
                putchar(p[i]);
            else
                fputs(escape ? "\\n" : t.type == TOK_SPACE || t.type == TOK_COMMENT ? " " : "\n", stdout);
    }
}

/* `;` follows where the input had one, so that the output is a script again. */
static void print_text(const struct run *r, const struct rewrite_part *part, bool terminated)
{
    if (part->verdict == REWRITE_UNREWRITABLE) {
        printf("-- unrewritable: %s\n", part->reason ? part->reason : "");
        return;
    }
    print_line(r, part->verdict == REWRITE_REWRITTEN ? part->rewritten : part->original);
    puts(terminated ? ";" : "");
}

/* Whether the input has a ';' behind the statement. */
static bool is_terminated(const struct run *r, struct span input, struct span statement)
{
    size_t end = (size_t)(statement.ptr - input.ptr) + statement.len;
    struct lexer lx;
    lex_init(&lx, &r->session.dialect, input);
    lx.pos = (uint32_t)end;
    return lex_next_significant(&lx).type == ';';
}

static int run_statements(struct run *r)
{
    struct buf input = BUF_INIT;
    struct arena *arena = arena_new(STATEMENT_LIMIT);
    struct rewrite_result result;
    bool ok = arena && read_file(r->options.file, &input);
    r->status = ok ? EXIT_OK : EXIT_FAILED;
    if (ok) {
        rewrite_text(arena, &r->session, buf_span(&input), &result);
        r->params = result.param_map;
        r->param_count = result.out_param_count;
        for (size_t i = 0; i < result.part_count; i++) {
            const struct rewrite_part *part = &result.parts[i];
            r->statement++;
            if (part->verdict == REWRITE_UNREWRITABLE)
                r->status = EXIT_UNREWRITABLE;
            if (r->options.json)
                print_json(r, part);
            else
                print_text(r, part, is_terminated(r, buf_span(&input), part->original));
        }
    }
    arena_free(arena);
    buf_free(&input);
    return r->status;
}

int rewrite_command(int argc, char **argv)
{
    struct run r = {0};
    int status = parse_options(argc, argv, &r.options);
    if (status >= 0)
        return status;
    status = set_up(&r);
    if (status == EXIT_OK)
        status = run_statements(&r);
    rules_free(r.rules);
    catalog_free(r.catalog);
    config_free(r.config);
    return status;
}
