/* The new process's side of takeover.h; the old one's is in admin/cmd_process.c. */
#include "proxy/takeover.h"

#include <cJSON.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { ANSWER_SIZE = 4096, ANSWER_S = 120 /* a backfill's chunk has to end first */ };

/* Sends a line and reads the one that answers it. */
static bool ask(int fd, const char *line, char *error, size_t error_size)
{
    char answer[ANSWER_SIZE] = "";
    size_t len = 0;
    if (send(fd, line, strlen(line), MSG_NOSIGNAL) != (ssize_t)strlen(line)) {
        snprintf(error, error_size, "%s", strerror(errno));
        return false;
    }
    while (len < sizeof(answer) - 1 && !memchr(answer, '\n', len)) {
        ssize_t n = recv(fd, answer + len, sizeof(answer) - 1 - len, 0);
        if (n <= 0) {
            snprintf(error, error_size, "no answer: %s", n ? strerror(errno) : "the connection ended");
            return false;
        }
        len += (size_t)n;
    }
    answer[len] = '\0';
    cJSON *o = cJSON_Parse(answer);
    bool ok = cJSON_IsTrue(cJSON_GetObjectItem(o, "ok"));
    const char *why = cJSON_GetStringValue(cJSON_GetObjectItem(o, "error"));
    if (!ok)
        snprintf(error, error_size, "%s", why ? why : "an answer that is not understood");
    cJSON_Delete(o);
    return ok;
}

int takeover_begin(const char *admin_socket, char *error, size_t error_size)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct timeval patience = {ANSWER_S, 0};
    char reason[256];
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", admin_socket);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0)
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    bool ok = fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0;
    if (!ok)
        snprintf(reason, sizeof(reason), "%s", strerror(errno));
    if (ok && ask(fd, "handover\n", reason, sizeof(reason)))
        return fd;
    snprintf(error, error_size, "takeover: the crossfade on %s does not hand over: %s", admin_socket, reason);
    if (fd >= 0)
        close(fd);
    return -1;
}

bool takeover_complete(int connection, char *error, size_t error_size)
{
    char reason[256];
    bool ok = ask(connection, "drain\n", reason, sizeof(reason));
    close(connection);
    if (!ok)
        snprintf(error, error_size, "takeover: the crossfade before this one does not drain: %s", reason);
    return ok;
}
