/* Sockets; see sockets.h. */
#include "proxy/net/sockets.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/un.h>
#include <unistd.h>

bool address_of_path(const char *path, struct address *out)
{
    struct sockaddr_un *un = (struct sockaddr_un *)&out->addr;
    memset(out, 0, sizeof *out);
    if (strlen(path) >= sizeof un->sun_path)
        return false;
    un->sun_family = AF_UNIX;
    strcpy(un->sun_path, path);
    out->len = sizeof *un;
    return true;
}

void address_text(const struct address *a, char *out, size_t size)
{
    char host[INET6_ADDRSTRLEN], port[8];
    if (a->addr.ss_family != AF_INET && a->addr.ss_family != AF_INET6) {
        snprintf(out, size, "unix");
        return;
    }
    if (getnameinfo((const struct sockaddr *)&a->addr, a->len, host, sizeof host, port, sizeof port,
                    NI_NUMERICHOST | NI_NUMERICSERV))
        snprintf(out, size, "?");
    else
        snprintf(out, size, a->addr.ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, port);
}

void socket_options(int fd)
{
    int domain = AF_UNIX, on = 1;
    socklen_t len = sizeof domain;
    getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len);
    if (domain == AF_UNIX)
        return;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
}

int socket_connect(const struct address *a, bool *done, int *error)
{
    int fd = socket(a->addr.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        *error = errno;
        return -1;
    }
    socket_options(fd);
    *done = connect(fd, (const struct sockaddr *)&a->addr, a->len) == 0;
    if (!*done && errno != EINPROGRESS) {
        *error = errno;
        close(fd);
        return -1;
    }
    return fd;
}

bool socket_is_unix(int fd)
{
    int domain = AF_UNSPEC;
    socklen_t len = sizeof domain;
    getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len);
    return domain == AF_UNIX;
}

int socket_error(int fd)
{
    int error = 0;
    socklen_t len = sizeof error;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len))
        return errno;
    return error;
}
