/* The answers of the admin socket as text for people. */
#ifndef PROXY_CTL_PRINT_H
#define PROXY_CTL_PRINT_H

#include <cJSON.h>

/* Prints one line of the answer to `command`: progress, or the end of it. Errors go to stderr. */
void print_answer(const char *command, const cJSON *line);

#endif
