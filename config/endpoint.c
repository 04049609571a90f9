/* Endpoints of the configuration; see endpoint.h. */
#include "config/endpoint.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

static bool is_port(const char *s)
{
    char *end;
    if (*s < '0' || *s > '9')
        return false;
    unsigned long port = strtoul(s, &end, 10);
    return *end == '\0' && port >= 1 && port <= 65535;
}

void endpoint_free(struct endpoint *e)
{
    free(e->host);
    free(e->port);
    free(e->path);
    free(e->text);
    *e = (struct endpoint){0};
}

static const char *parse_unix(const char *path, struct endpoint *out)
{
    if (*path != '/')
        return "a Unix socket is written unix:/path, with an absolute path";
    if (strlen(path) >= sizeof(((struct sockaddr_un *)0)->sun_path))
        return "the path of a Unix socket has at most 107 bytes";
    out->is_unix = true;
    out->path = strdup(path);
    return out->path ? NULL : "out of memory";
}

static const char *parse_tcp(const char *text, struct endpoint *out)
{
    const char *host = text, *colon;
    size_t host_len;
    if (*text == '[') {
        const char *end = strchr(text, ']');
        if (!end)
            return "the ']' of an IPv6 address is missing";
        host = text + 1;
        host_len = (size_t)(end - host);
        colon = end + 1;
    } else {
        colon = strrchr(text, ':');
        if (!colon)
            return "expected host:port, [v6]:port or unix:/path";
        host_len = (size_t)(colon - host);
        if (memchr(host, ':', host_len))
            return "an IPv6 address stands in brackets: [v6]:port";
    }
    if (*colon != ':' || !is_port(colon + 1))
        return "expected a port from 1 to 65535 after ':'";
    if (host_len == 0)
        return "the host is missing";
    if (strcspn(host, " \t/") < host_len)
        return "a host name has no blanks and no slashes";
    out->host = strndup(host, host_len);
    out->port = strdup(colon + 1);
    return out->host && out->port ? NULL : "out of memory";
}

const char *endpoint_parse(const char *text, struct endpoint *out)
{
    *out = (struct endpoint){0};
    const char *reason = strncmp(text, "unix:", 5) == 0 ? parse_unix(text + 5, out) : parse_tcp(text, out);
    if (!reason && !(out->text = strdup(text)))
        reason = "out of memory";
    if (reason)
        endpoint_free(out);
    return reason;
}
