/* The log: one line an event on stderr, "2026-01-02T03:04:05.678Z level message key=value …".
 * Thread-safe: a line is one write(2). */
#ifndef CONFIG_LOG_H
#define CONFIG_LOG_H

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

/* Lines below `level` are dropped. The default is LOG_INFO. */
void log_set_level(enum log_level level);
enum log_level log_level_now(void);

void log_debug(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2), cold));
void log_error(const char *fmt, ...) __attribute__((format(printf, 1, 2), cold));

#endif
