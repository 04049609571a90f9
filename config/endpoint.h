/* host:port, [v6]:port and unix:/path as struct endpoint. */
#ifndef CONFIG_ENDPOINT_H
#define CONFIG_ENDPOINT_H

#include "config/config.h"

/* Reads one endpoint (text without surrounding blanks). Returns NULL and fills *out, or a constant reason,
 * and then *out holds nothing. */
const char *endpoint_parse(const char *text, struct endpoint *out);
void endpoint_free(struct endpoint *e);

#endif
