/* What the service manager is told, one datagram a message. sd_notify() would wait for a manager
 * that does not read, and the control loop waits for nobody. Any thread. */
#ifndef PENSTOCK_NOTIFY_H
#define PENSTOCK_NOTIFY_H

/* Lines of NAME=VALUE, as in sd_notify(3). 0: sent, or nobody asked to be told; -EAGAIN: not now;
 * another negative errno: never. */
int notify_send(const char *text);

#endif
