/* After IANA's registries of special-purpose addresses for IPv4 and IPv6 (RFC 6890 and successors).
 * The rows "globally reachable: true" are left out where they lie in ordinary space (AS112, AMT),
 * and refused with their block where they lie in 192.0.0.0/24 and 2001::/23: no web server lives
 * there. */
#include "fetch/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

struct block {
    uint8_t bytes[16];
    unsigned prefix;
    const char *class;
};

static const struct block v4_blocks[] = {
    {{0, 0, 0, 0}, 32, "unspecified"},
    {{0}, 8, "\"this network\""},
    {{10}, 8, "private"},
    {{100, 64}, 10, "shared (carrier-grade NAT)"},
    {{127}, 8, "loopback"},
    {{169, 254}, 16, "link-local"},
    {{172, 16}, 12, "private"},
    {{192, 0, 0}, 24, "IETF protocol assignment"},
    {{192, 0, 2}, 24, "documentation"},
    {{192, 88, 99}, 24, "reserved (6to4 relay)"},
    {{192, 168}, 16, "private"},
    {{198, 18}, 15, "benchmarking"},
    {{198, 51, 100}, 24, "documentation"},
    {{203, 0, 113}, 24, "documentation"},
    {{224}, 4, "multicast"},
    {{255, 255, 255, 255}, 32, "broadcast"},
    {{240}, 4, "reserved"},
};

/* The first that matches counts. NULL: ordinary. */
static const struct block v6_blocks[] = {
    {{0}, 128, "unspecified"},
    {{[15] = 1}, 128, "loopback"},
    {{0, 0x64, 0xff, 0x9b, 0, 1}, 48, "local-use NAT64"},
    {{1}, 64, "discard-only"},
    {{0x20, 0x01, 0, 2}, 48, "benchmarking"},
    {{0x20, 0x01}, 23, "IETF protocol assignment"},
    {{0x20, 0x01, 0x0d, 0xb8}, 32, "documentation"},
    {{0x3f, 0xff}, 20, "documentation"},
    {{0x5f}, 16, "segment routing"},
    {{0xfc}, 7, "unique local"},
    {{0xfe, 0x80}, 10, "link-local"},
    {{0xfe, 0xc0}, 10, "site-local (deprecated)"},
    {{0xff}, 8, "multicast"},
    {{0x20}, 3, NULL},
    {{0}, 0, "reserved"}, /* whatever is outside of 2000::/3 is not allotted */
};

int address_from_sockaddr(const struct sockaddr *addr, socklen_t len, struct address *ret_address,
                          int *ret_port)
{
    *ret_address = (struct address){.family = addr->sa_family};
    if (addr->sa_family == AF_INET && len >= sizeof(struct sockaddr_in)) {
        struct sockaddr_in in;
        memcpy(&in, addr, sizeof in);
        memcpy(ret_address->bytes, &in.sin_addr, 4);
        *ret_port = ntohs(in.sin_port);
        return 0;
    }
    if (addr->sa_family == AF_INET6 && len >= sizeof(struct sockaddr_in6)) {
        struct sockaddr_in6 in6;
        memcpy(&in6, addr, sizeof in6);
        memcpy(ret_address->bytes, &in6.sin6_addr, 16);
        *ret_port = ntohs(in6.sin6_port);
        return 0;
    }
    return -EAFNOSUPPORT;
}

int address_parse(const char *text, struct address *ret_address)
{
    struct address a = {.family = AF_INET};
    if (inet_pton(AF_INET, text, a.bytes) != 1) {
        a.family = AF_INET6;
        if (inet_pton(AF_INET6, text, a.bytes) != 1)
            return -EINVAL;
    }
    *ret_address = a;
    return 0;
}

int address_from_literal(const char *text, struct address *ret_address)
{
    char bare[ADDRESS_TEXT_SIZE];
    size_t len = strcspn(text, "%");
    struct in_addr in;
    if (!text[len] && inet_aton(text, &in)) {
        *ret_address = (struct address){.family = AF_INET};
        memcpy(ret_address->bytes, &in, 4);
        return 0;
    }
    if (len >= sizeof bare)
        return -EINVAL;
    memcpy(bare, text, len);
    bare[len] = '\0';
    return address_parse(bare, ret_address);
}

void address_print(const struct address *address, char ret_text[ADDRESS_TEXT_SIZE])
{
    if (!inet_ntop(address->family, address->bytes, ret_text, ADDRESS_TEXT_SIZE))
        snprintf(ret_text, ADDRESS_TEXT_SIZE, "?");
}

static bool prefix_equal(const uint8_t *a, const uint8_t *b, unsigned prefix)
{
    unsigned bytes = prefix / 8, bits = prefix % 8;
    if (memcmp(a, b, bytes) != 0)
        return false;
    return !bits || ((a[bytes] ^ b[bytes]) >> (8 - bits)) == 0;
}

bool address_in(const struct address *address, const struct address *block, unsigned prefix)
{
    return address->family == block->family && prefix_equal(address->bytes, block->bytes, prefix);
}

static const char *find_class(const struct block *blocks, size_t count, const uint8_t *bytes)
{
    for (size_t i = 0; i < count; i++)
        if (prefix_equal(bytes, blocks[i].bytes, blocks[i].prefix))
            return blocks[i].class;
    return NULL;
}

static const char *v4_class(const uint8_t *bytes)
{
    return find_class(v4_blocks, sizeof v4_blocks / sizeof v4_blocks[0], bytes);
}

/* Where in an address of this block an IPv4 address stands. */
static const struct {
    struct block block;
    unsigned offset;
} carriers[] = {
    {{{[10] = 0xff, [11] = 0xff}, 96, "IPv4-mapped"}, 12},
    {{{0}, 96, "IPv4-compatible"}, 12},
    {{{0, 0x64, 0xff, 0x9b}, 96, "NAT64"}, 12},
    {{{0x20, 0x02}, 16, "6to4"}, 2},
};

/* :: and ::1 lie in ::/96, but are what they are. */
static bool plain_low(const struct address *address)
{
    static const uint8_t zeros[15];
    return memcmp(address->bytes, zeros, sizeof zeros) == 0 && address->bytes[15] <= 1;
}

bool address_embedded(const struct address *address, struct address *ret_v4)
{
    if (address->family != AF_INET6 || plain_low(address))
        return false;
    for (size_t i = 0; i < sizeof carriers / sizeof carriers[0]; i++)
        if (prefix_equal(address->bytes, carriers[i].block.bytes, carriers[i].block.prefix)) {
            *ret_v4 = (struct address){.family = AF_INET};
            memcpy(ret_v4->bytes, address->bytes + carriers[i].offset, 4);
            return true;
        }
    return false;
}

bool address_translated(const struct address *address, unsigned prefix, struct address *ret_v4)
{
    if (address->family != AF_INET6 || prefix > 96 || prefix % 8 != 0 || prefix < 32 ||
        (prefix > 64 && prefix < 96))
        return false;
    *ret_v4 = (struct address){.family = AF_INET};
    for (unsigned i = 0, from = prefix / 8; i < 4; i++, from++) {
        from += from == 8; /* that byte is always zero */
        ret_v4->bytes[i] = address->bytes[from];
    }
    return true;
}

/* RFC 4380 §4: the server's address in bytes 4 to 7, the client's in the last four, inverted. */
static const char *teredo_class(const struct address *address)
{
    const char *class = v4_class(address->bytes + 4);
    uint8_t client[4];
    for (int i = 0; i < 4; i++)
        client[i] = address->bytes[12 + i] ^ 0xff;
    return class ? class : v4_class(client);
}

const char *address_class(const struct address *address)
{
    static const uint8_t teredo[4] = {0x20, 0x01, 0, 0};
    struct address v4;
    if (address->family == AF_INET)
        return v4_class(address->bytes);
    if (address_embedded(address, &v4))
        return v4_class(v4.bytes);
    if (memcmp(address->bytes, teredo, sizeof teredo) == 0)
        return teredo_class(address);
    return find_class(v6_blocks, sizeof v6_blocks / sizeof v6_blocks[0], address->bytes);
}
