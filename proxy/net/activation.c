/* Sockets handed down; see activation.h. */
#include "proxy/net/activation.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/un.h>
#include <unistd.h>

#include "config/log.h"

enum { FIRST_FD = 3, FDS_MAX = 64 };

static struct {
    int fd; /* -1: it was taken */
    char name[64];
    uint16_t both; /* port, as on the wire, of a socket of [::] that takes IPv4 too; 0: it is none */
} handed[FDS_MAX];
static size_t handed_count;

static unsigned long number_in(const char *variable)
{
    const char *text = getenv(variable);
    return text ? strtoul(text, NULL, 10) : 0;
}

static bool is_listening(int fd)
{
    int on = 0;
    socklen_t len = sizeof on;
    return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &on, &len) == 0 && on;
}

/* systemd's ListenStream=PORT is such a socket. */
static uint16_t port_of_both(int fd)
{
    struct sockaddr_in6 own = {0};
    socklen_t own_len = sizeof own, only_len = sizeof(int);
    int only = 1;
    if (getsockname(fd, (struct sockaddr *)&own, &own_len) || own.sin6_family != AF_INET6 ||
        getsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, &only_len) || only)
        return 0;
    return IN6_IS_ADDR_UNSPECIFIED(&own.sin6_addr) ? own.sin6_port : 0;
}

void activation_take(void)
{
    unsigned long count = number_in("LISTEN_PID") == (unsigned long)getpid() ? number_in("LISTEN_FDS") : 0;
    const char *names = getenv("LISTEN_FDNAMES");
    for (unsigned long i = 0; i < count && i < FDS_MAX; i++) {
        int fd = FIRST_FD + (int)i;
        size_t n = names ? strcspn(names, ":") : 0;
        if (is_listening(fd)) {
            fcntl(fd, F_SETFD, FD_CLOEXEC);
            fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
            handed[handed_count].fd = fd;
            handed[handed_count].both = port_of_both(fd);
            snprintf(handed[handed_count].name, sizeof handed[0].name, "%.*s", (int)n, names ? names : "");
            handed_count++;
        } else {
            log_warn("descriptor %d was handed down and is no listening socket", fd);
        }
        if (names)
            names += n + (names[n] == ':');
    }
    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_FDNAMES");
}

static bool same_address(const struct address *a, const struct address *b)
{
    if (a->addr.ss_family != b->addr.ss_family)
        return false;
    const struct sockaddr_in *x = (const struct sockaddr_in *)&a->addr,
                             *y = (const struct sockaddr_in *)&b->addr;
    const struct sockaddr_in6 *x6 = (const struct sockaddr_in6 *)&a->addr,
                              *y6 = (const struct sockaddr_in6 *)&b->addr;
    switch (a->addr.ss_family) {
    case AF_INET:
        return x->sin_port == y->sin_port && x->sin_addr.s_addr == y->sin_addr.s_addr;
    case AF_INET6:
        return x6->sin6_port == y6->sin6_port && memcmp(&x6->sin6_addr, &y6->sin6_addr, 16) == 0;
    case AF_UNIX:
        return strcmp(((const struct sockaddr_un *)&a->addr)->sun_path,
                      ((const struct sockaddr_un *)&b->addr)->sun_path) == 0;
    default:
        return false;
    }
}

static int take(size_t i)
{
    int fd = handed[i].fd;
    handed[i].fd = -1;
    return fd;
}

/* Whether `a` is one of the two addresses of every interface, with this port. */
static bool is_any(const struct address *a, uint16_t port)
{
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)&a->addr;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&a->addr;
    if (a->addr.ss_family == AF_INET)
        return v4->sin_port == port && v4->sin_addr.s_addr == htonl(INADDR_ANY);
    return a->addr.ss_family == AF_INET6 && v6->sin6_port == port && IN6_IS_ADDR_UNSPECIFIED(&v6->sin6_addr);
}

int activation_at(const struct address *a)
{
    for (size_t i = 0; i < handed_count; i++) {
        if (handed[i].both && is_any(a, handed[i].both))
            return handed[i].fd < 0 ? ACTIVATION_SERVED : take(i);
        struct address own = {.len = sizeof own.addr - 1}; /* so that a path ends with a NUL */
        if (handed[i].fd >= 0 && getsockname(handed[i].fd, (struct sockaddr *)&own.addr, &own.len) == 0 &&
            same_address(a, &own))
            return take(i);
    }
    return ACTIVATION_NONE;
}

static bool is_unix(int fd)
{
    int family = AF_UNSPEC;
    socklen_t len = sizeof family;
    return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &len) == 0 && family == AF_UNIX;
}

int activation_unix_named(const char *name)
{
    for (size_t i = 0; i < handed_count; i++)
        if (handed[i].fd >= 0 && strcmp(handed[i].name, name) == 0 && is_unix(handed[i].fd))
            return take(i);
    return -1;
}

void activation_close_rest(void)
{
    for (size_t i = 0; i < handed_count; i++) {
        if (handed[i].fd < 0)
            continue;
        log_warn("the socket %s was handed down, but no `listen` names its address: it is closed",
                 handed[i].name);
        close(take(i));
    }
}
