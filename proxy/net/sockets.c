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

enum { KEEPALIVE_INTERVAL_S = 10, KEEPALIVE_PROBES = 6 };

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

/* Address and port of a TCP address, as they are on the wire. */
static enum proxy_family take_end(const struct address *a, unsigned char *address, uint16_t *port)
{
    if (a->addr.ss_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)&a->addr;
        memcpy(address, &in->sin_addr, 4);
        *port = ntohs(in->sin_port);
        return PROXY_INET;
    }
    if (a->addr.ss_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&a->addr;
        memcpy(address, &in6->sin6_addr, 16);
        *port = ntohs(in6->sin6_port);
        return PROXY_INET6;
    }
    return PROXY_UNIX;
}

void address_source(const struct address *from, struct proxy_addresses *out)
{
    *out = (struct proxy_addresses){0};
    out->family = take_end(from, out->source, &out->source_port);
}

void address_destination(int fd, struct proxy_addresses *a)
{
    struct address own = {.len = sizeof own.addr};
    if (getsockname(fd, (struct sockaddr *)&own.addr, &own.len) ||
        take_end(&own, a->destination, &a->destination_port) != a->family)
        *a = (struct proxy_addresses){.family = PROXY_LOCAL};
}

void address_of_source(const struct proxy_addresses *a, struct address *out)
{
    memset(out, 0, sizeof *out);
    if (a->family == PROXY_INET6) {
        struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&out->addr;
        in6->sin6_family = AF_INET6;
        in6->sin6_port = htons(a->source_port);
        memcpy(&in6->sin6_addr, a->source, 16);
        out->len = sizeof *in6;
    } else {
        struct sockaddr_in *in = (struct sockaddr_in *)&out->addr;
        in->sin_family = AF_INET;
        in->sin_port = htons(a->source_port);
        memcpy(&in->sin_addr, a->source, 4);
        out->len = sizeof *in;
    }
}

static void set_option(int fd, int level, int name, int value)
{
    setsockopt(fd, level, name, &value, sizeof value); /* what the kernel refuses, it does without */
}

void socket_options(int fd, sa_family_t family, const struct config *before, const struct config *config)
{
    if (family == AF_UNIX)
        return;
    if (!before)
        set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    if (config->tcp_keepalive != (before ? before->tcp_keepalive : 0)) {
        set_option(fd, SOL_SOCKET, SO_KEEPALIVE, config->tcp_keepalive > 0);
        if (config->tcp_keepalive > 0) {
            set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, (int)config->tcp_keepalive);
            set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE_INTERVAL_S);
            set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE_PROBES);
        }
    }
    if (config->tcp_user_timeout != (before ? before->tcp_user_timeout : 0))
        set_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, (int)config->tcp_user_timeout);
}

int socket_connect(const struct address *a, const struct config *config, bool *done, int *error)
{
    int fd = socket(a->addr.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        *error = errno;
        return -1;
    }
    *done = connect(fd, (const struct sockaddr *)&a->addr, a->len) == 0;
    if (!*done && errno != EINPROGRESS) {
        *error = errno;
        close(fd);
        return -1;
    }
    socket_options(fd, a->addr.ss_family, NULL, config); /* while the other end hears of the connection */
    return fd;
}

bool socket_is_unix(int fd)
{
    int domain = AF_UNSPEC;
    socklen_t len = sizeof domain;
    getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len);
    return domain == AF_UNIX;
}

bool socket_is_own(int fd)
{
    struct ucred peer = {.uid = (uid_t)-1};
    socklen_t len = sizeof peer;
    return socket_is_unix(fd) && getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 &&
           peer.uid == geteuid();
}

bool socket_is_loopback(int fd)
{
    struct address a = {.len = sizeof a.addr};
    if (getpeername(fd, (struct sockaddr *)&a.addr, &a.len))
        return false;
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)&a.addr;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&a.addr;
    switch (a.addr.ss_family) {
    case AF_INET:
        return ntohl(v4->sin_addr.s_addr) >> 24 == 127;
    case AF_INET6:
        return IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr) ||
               (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr) && v6->sin6_addr.s6_addr[12] == 127);
    default:
        return a.addr.ss_family == AF_UNIX;
    }
}

int socket_error(int fd)
{
    int error = 0;
    socklen_t len = sizeof error;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len))
        return errno;
    return error;
}
