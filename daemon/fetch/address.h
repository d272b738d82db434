/* Addresses as the policy sees them: which special-purpose block one lies in, and which IPv4
 * addresses an IPv6 address stands for. No state. Any thread. */
#ifndef PENSTOCK_FETCH_ADDRESS_H
#define PENSTOCK_FETCH_ADDRESS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#define ADDRESS_TEXT_SIZE INET6_ADDRSTRLEN

/* 4 or 16 bytes in network order. */
struct address {
    int family; /* AF_INET or AF_INET6 */
    uint8_t bytes[16];
};

/* 0, or -EAFNOSUPPORT. */
int address_from_sockaddr(const struct sockaddr *addr, socklen_t len, struct address *ret_address,
                          int *ret_port);
/* A literal as the resolver takes it: 127.0.0.1, 127.1, 0x7f000001, 017700000001, 2130706433, ::1,
 * and fe80::1%eth0 without its zone. 0, or -EINVAL: it is a name. */
int address_from_literal(const char *text, struct address *ret_address);
/* The strict forms of inet_pton only. 0 or -EINVAL. */
int address_parse(const char *text, struct address *ret_address);
void address_print(const struct address *address, char ret_text[ADDRESS_TEXT_SIZE]);
bool address_in(const struct address *address, const struct address *block, unsigned prefix);

/* What kind of special address it is ("loopback", "private (RFC 1918)", …), or NULL: globally
 * reachable. An IPv6 address that carries IPv4 addresses is what those are. */
const char *address_class(const struct address *address);

/* The IPv4 address that a packet to this one is meant for in the end: of ::ffff:0:0/96, ::/96 (but
 * :: and ::1), 64:ff9b::/96 and 2002::/16. True and *ret_v4, or false. (Teredo and 64:ff9b:1::/48
 * aren't here: they name several, or leave open where it stands.) */
bool address_embedded(const struct address *address, struct address *ret_v4);

/* The same of an address below a translator's prefix of this length (RFC 6052, 2.2: 32, 40, 48, 56,
 * 64 or 96; another gives false). */
bool address_translated(const struct address *address, unsigned prefix, struct address *ret_v4);

#endif
