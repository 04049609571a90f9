/* What systemd (Type=notify) is told: ready, reloading, stopping. Without its library: one datagram to the
 * socket that $NOTIFY_SOCKET names. Does nothing where there is none. */
#ifndef PROXY_SYSTEMD_H
#define PROXY_SYSTEMD_H

/* "READY=1", "STOPPING=1"; several lines may be sent at once. Any thread. */
void systemd_notify(const char *state);

/* RELOADING=1 with the time that Type=notify-reload asks for; READY=1 must follow. */
void systemd_reloading(void);

/* READY=1, and that this process is the unit's from now on. */
void systemd_took_over(void);

#endif
