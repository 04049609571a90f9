/* What the session floor shows to main: the operations that workers run sessions by. All else is inside. */
#ifndef PROXY_SESSION_SESSION_H
#define PROXY_SESSION_SESSION_H

#include "proxy/net/worker.h"

extern const struct session_ops session_ops;

#endif
