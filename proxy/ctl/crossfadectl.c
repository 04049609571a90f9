/* crossfadectl: one command to the admin socket, its answer as text or (--json) as it came.
 *
 * Stands beside the proxy: it shares nothing with it but the socket's protocol. Exit status: 0 done, 1
 * refused or failed, 2 bad usage. */
#include <cJSON.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "proxy/ctl/print.h"

#define DEFAULT_SOCKET "/run/crossfade/admin.sock"

enum { EXIT_DONE = 0, EXIT_REFUSED = 1, EXIT_USAGE = 2, LINE_MAX_BYTES = 16000 };

static const char usage[] =
    "usage: crossfadectl [--socket PATH] [--json] COMMAND …\n"
    "\n"
    "  --socket PATH   the proxy's admin socket (default: $CROSSFADE_SOCKET or " DEFAULT_SOCKET ")\n"
    "  --json          the answer as it comes: one JSON object a line\n"
    "  --version       of this program\n"
    "\n"
    "commands (M: a migration's name); `crossfadectl help` asks the proxy for its own list:\n"
    "  status [M]                    phase, reads, generation, backfill, drift, traffic\n"
    "  plan M                        the steps, the way back from each, and what the gates say now\n"
    "  expand M [--apply]            the DDL that adds the new columns; --apply runs it\n"
    "  dual-write M                  writes fill both sides from now on\n"
    "  backfill M [--detach]         fill the rows there are; M pause, resume, cancel, status\n"
    "  verify M                      compare the two sides\n"
    "  cutover M                     reads are answered from the new columns\n"
    "  rollback M [--to PHASE]       one phase back, or to PHASE\n"
    "  events [M] [--limit N]        who did what, when, with which outcome\n"
    "  sessions, reload, drain, version, help\n"
    "  flips take --force, --dry-run and --timeout SECONDS\n";

struct options {
    const char *socket;
    bool json;
    char **words;
    int word_count;
};

/* Options of crossfadectl itself may stand before the command or behind it. -1: go on; else exit with it. */
static int take_options(int argc, char **argv, struct options *o)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0) {
            o->json = true;
        } else if (strcmp(argv[i], "--socket") == 0 && i + 1 < argc) {
            o->socket = argv[++i];
        } else if (strncmp(argv[i], "--socket=", 9) == 0) {
            o->socket = argv[i] + 9;
        } else if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            fputs(usage, stdout);
            return EXIT_DONE;
        } else if (strcmp(argv[i], "--version") == 0 && !o->word_count) {
            printf("crossfadectl %s\n", CROSSFADE_VERSION);
            return EXIT_DONE;
        } else if (argv[i][0] == '-' && !o->word_count) {
            fprintf(stderr, "crossfadectl: unknown option %s\n%s", argv[i], usage);
            return EXIT_USAGE;
        } else {
            o->words[o->word_count++] = argv[i];
        }
    }
    if (o->word_count)
        return -1;
    fputs(usage, stderr);
    return EXIT_USAGE;
}

/* The command line as one line for the socket: words with blanks or quotes are quoted. false: too long, or a
 * word that no line can hold. */
static bool build_line(const struct options *o, char *line, size_t size)
{
    size_t n = 0;
    for (int i = 0; i < o->word_count; i++) {
        const char *word = o->words[i];
        bool quote = !*word || strpbrk(word, " \t\"\\");
        if (strpbrk(word, "\r\n") || n + 2 * strlen(word) + 4 > size)
            return false;
        if (i)
            line[n++] = ' ';
        if (quote)
            line[n++] = '"';
        for (; *word; word++) {
            if (quote && (*word == '"' || *word == '\\'))
                line[n++] = '\\';
            line[n++] = *word;
        }
        if (quote)
            line[n++] = '"';
    }
    line[n++] = '\n';
    line[n] = '\0';
    return true;
}

static int connect_to(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t len = strlen(path);
    if (len >= sizeof(address.sun_path)) {
        fprintf(stderr, "crossfadectl: %s: the path of a socket has at most 107 bytes\n", path);
        return -1;
    }
    memcpy(address.sun_path, path, len);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
        return fd;
    fprintf(stderr, "crossfadectl: %s: %s\n", path, strerror(errno));
    if (fd >= 0)
        close(fd);
    return -1;
}

/* The exit status that an answer means, or -1 for a progress line. */
static int status_of(const cJSON *line)
{
    const cJSON *ok = cJSON_GetObjectItemCaseSensitive(line, "ok");
    if (!ok)
        return -1;
    if (cJSON_IsTrue(ok))
        return EXIT_DONE;
    const char *error = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(line, "error"));
    return error && strncmp(error, "usage:", 6) == 0 ? EXIT_USAGE : EXIT_REFUSED;
}

static int read_answer(FILE *in, const struct options *o)
{
    char *text = NULL;
    size_t cap = 0;
    int status = -1;
    while (status < 0 && getline(&text, &cap, in) > 0) {
        cJSON *line = cJSON_Parse(text);
        status = line ? status_of(line) : -1;
        if (o->json) {
            fputs(text, stdout);
            fflush(stdout);
        } else if (line) {
            print_answer(o->words[0], line);
        }
        cJSON_Delete(line);
    }
    free(text);
    if (status >= 0)
        return status;
    fprintf(stderr, "crossfadectl: the proxy ended the connection without an answer\n");
    return EXIT_REFUSED;
}

int main(int argc, char **argv)
{
    char line[LINE_MAX_BYTES];
    struct options o = {.socket = getenv("CROSSFADE_SOCKET")};
    if (!o.socket)
        o.socket = DEFAULT_SOCKET;
    o.words = calloc((size_t)argc + 1, sizeof(*o.words));
    if (!o.words)
        return EXIT_REFUSED;
    int status = take_options(argc, argv, &o);
    if (status < 0 && !build_line(&o, line, sizeof(line))) {
        fprintf(stderr, "crossfadectl: the command is too long, or a word holds a newline\n");
        status = EXIT_USAGE;
    }
    if (status < 0) {
        int fd = connect_to(o.socket);
        FILE *in = fd >= 0 ? fdopen(fd, "r") : NULL;
        size_t len = strlen(line);
        if (in && send(fd, line, len, MSG_NOSIGNAL) == (ssize_t)len)
            status = read_answer(in, &o);
        else
            status = EXIT_REFUSED;
        if (in)
            fclose(in);
    }
    free(o.words);
    return status;
}
