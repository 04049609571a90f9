/* `crossfade rewrite`: what statements become in a phase, without a server. */
#ifndef PROXY_REWRITE_CMD_H
#define PROXY_REWRITE_CMD_H

/* argv[0] is "rewrite". Returns the exit status. */
int rewrite_command(int argc, char **argv);

#endif
