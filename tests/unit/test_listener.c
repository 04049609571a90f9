/* Listening where a name stands for addresses that the machine does not have: the name server and the kernel
 * are played here. */
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include "proxy/migration/control.h"
#include "proxy/net/listener.h"
#include "proxy/session/session.h"

static int no_socket, no_bind; /* what the kernel says of IPv6; 0: it has it */

/* NOLINTBEGIN(readability-inconsistent-declaration-parameter-name): the C library's are not for us */
int socket(int domain, int type, int protocol)
{
    if (domain != AF_INET6 || !no_socket)
        return (int)syscall(SYS_socket, domain == AF_INET6 ? AF_INET : domain, type, protocol);
    errno = no_socket;
    return -1;
}

/* A port of 127.0.0.1 in the place of ::1's: the machine that the test runs on need not have IPv6 either. */
int bind(int fd, const struct sockaddr *address, socklen_t len)
{
    struct sockaddr_in own = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (address->sa_family != AF_INET6)
        return (int)syscall(SYS_bind, fd, address, len);
    if (!no_bind)
        return (int)syscall(SYS_bind, fd, &own, sizeof own);
    errno = no_bind;
    return -1;
}

/* "six" is ::1, any other name also 127.0.0.1. */
int getaddrinfo(const char *host, const char *port, const struct addrinfo *hints, struct addrinfo **out)
{
    static struct sockaddr_in v4;
    static struct sockaddr_in6 v6;
    static struct addrinfo list[2];
    (void)port;
    (void)hints;
    v4 = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    v6 = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    list[0] = (struct addrinfo){.ai_family = AF_INET6,
                                .ai_addr = (struct sockaddr *)&v6,
                                .ai_addrlen = sizeof v6,
                                .ai_next = &list[1]};
    list[1] =
        (struct addrinfo){.ai_family = AF_INET, .ai_addr = (struct sockaddr *)&v4, .ai_addrlen = sizeof v4};
    if (host && strcmp(host, "six") == 0)
        list[0].ai_next = NULL;
    *out = list;
    return 0;
}

void freeaddrinfo(struct addrinfo *list)
{
    (void)list;
}
/* NOLINTEND(readability-inconsistent-declaration-parameter-name) */

static const struct {
    const char *host;
    int no_socket, no_bind;
    const char *error; /* NULL: it listens */
} cases[] = {
    {"both", 0, 0, NULL},
    {"both", EAFNOSUPPORT, 0, NULL},
    {"*", EAFNOSUPPORT, 0, NULL},
    {"both", 0, EADDRNOTAVAIL, NULL},
    {"both", 0, EADDRINUSE, "listen both:1: Address already in use"},
    {"both", 0, EACCES, "listen both:1: Permission denied"},
    {"six", EAFNOSUPPORT, 0, "listen six:1: Address family not supported by protocol"},
    {"six", 0, EADDRNOTAVAIL, "listen six:1: Cannot assign requested address"},
};

static void test_addresses_that_the_machine_has_not(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[64], error[256] = "";
        snprintf(text, sizeof text, "%s:1", cases[i].host);
        struct config *config = calloc(1, sizeof *config);
        config->control_database = strdup("crossfade");
        config->listen = calloc(1, sizeof *config->listen);
        config->listen[0] =
            (struct endpoint){.host = strdup(cases[i].host), .port = strdup("1"), .text = strdup(text)};
        config->listen_count = config->threads = 1;
        struct control *control = control_new(config, NULL);
        struct snapshot *first = control_first_snapshot(control);
        struct tls_contexts *tls = tls_contexts_load(config, NULL, NULL, NULL);
        struct workers_setup setup = {.config = config, .ops = &session_ops, .first = first, .tls = tls};
        no_socket = no_bind = 0;
        struct workers *workers = workers_start(&setup, error, sizeof error);
        assert_non_null(workers);
        no_socket = cases[i].no_socket;
        no_bind = cases[i].no_bind;
        struct listeners *listeners = listeners_open(workers, config, false, error, sizeof error);
        assert_string_equal(error, cases[i].error ? cases[i].error : "");
        assert_true((listeners != NULL) == (cases[i].error == NULL));
        listeners_close(listeners);
        workers_stop(workers);
        snapshot_unref(first);
        tls_contexts_unref(tls);
        control_free(control);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_addresses_that_the_machine_has_not)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
