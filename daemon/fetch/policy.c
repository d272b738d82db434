#include "fetch/policy.h"

#include "fetch/address.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum rule_kind {
    RULE_ANY,   /* :PORT */
    RULE_BLOCK, /* an address or a CIDR block */
    RULE_HOST   /* a pattern */
};

struct rule {
    enum rule_kind kind;
    struct address block;
    unsigned prefix;
    unsigned port_min, port_max;
    char *text; /* the item as it was given, for messages */
    char *pattern;
};

struct rules {
    struct rule *rules;
    size_t count;
};

struct policy {
    atomic_uint refs;
    struct rules allow, deny;
    struct rules translators; /* blocks of IPv6 addresses */
};

/* --- reading items --- */

static int parse_number(const char *text, unsigned max, const char **ret_end, unsigned *ret)
{
    unsigned n = 0;
    const char *p = text;
    for (; *p >= '0' && *p <= '9' && n <= max; p++)
        n = n * 10 + (unsigned)(*p - '0');
    if (p == text || n > max)
        return -EINVAL;
    *ret_end = p;
    *ret = n;
    return 0;
}

static int parse_ports(struct rule *rule, const char *text, struct error *err)
{
    const char *end = text;
    int r = parse_number(text, 65535, &end, &rule->port_min);
    rule->port_max = rule->port_min;
    if (!r && *end == '-')
        r = parse_number(end + 1, 65535, &end, &rule->port_max);
    if (r || *end || !rule->port_min || rule->port_max < rule->port_min)
        return error_set(err, -EINVAL, "%s: the port is 1 to 65535, or a range such as 8000-8099",
                         rule->text);
    return 0;
}

static int refuse_stray_bits(const struct rule *rule, struct error *err)
{
    struct address clean = rule->block;
    unsigned bits = rule->block.family == AF_INET ? 32 : 128;
    for (unsigned i = rule->prefix; i < bits; i++)
        clean.bytes[i / 8] &= (uint8_t) ~(0x80u >> (i % 8));
    if (memcmp(clean.bytes, rule->block.bytes, sizeof clean.bytes) == 0)
        return 0;
    char text[ADDRESS_TEXT_SIZE];
    address_print(&clean, text);
    return error_set(err, -EINVAL, "%s: bits behind the prefix are set: did you mean %s/%u?",
                     rule->text, text, rule->prefix);
}

/* A mapped block means the IPv4 addresses in it, however they arrive. */
static void unmap(struct rule *rule)
{
    static const struct address mapped = {AF_INET6, {[10] = 0xff, [11] = 0xff}};
    struct address v4;
    if (rule->prefix >= 96 && address_in(&rule->block, &mapped, 96) &&
        address_embedded(&rule->block, &v4)) {
        rule->block = v4;
        rule->prefix -= 96;
    }
}

/* 0; -ENOENT: not an address, so perhaps a name; -EINVAL with a message in *err. */
static int parse_block(struct rule *rule, const char *host, struct error *err)
{
    char address[ADDRESS_TEXT_SIZE];
    size_t len = strcspn(host, "/");
    if (len >= sizeof address)
        return -ENOENT;
    memcpy(address, host, len);
    address[len] = '\0';
    if (address_parse(address, &rule->block) < 0) {
        if (!host[len])
            return -ENOENT;
        return error_set(err, -EINVAL, "%s: what stands before the / is not an address",
                         rule->text);
    }
    unsigned bits = rule->block.family == AF_INET ? 32 : 128;
    rule->prefix = bits;
    if (host[len]) {
        const char *end = host;
        if (parse_number(host + len + 1, bits, &end, &rule->prefix) < 0 || *end)
            return error_set(err, -EINVAL, "%s: the prefix length is 0 to %u", rule->text, bits);
    }
    rule->kind = RULE_BLOCK;
    int r = refuse_stray_bits(rule, err);
    if (!r)
        unmap(rule);
    return r;
}

#define HOST_NAME_LEN_MAX 253 /* RFC 1035, 2.3.4, as text */

static bool name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
}

/* A last label of digits makes it an address, and then one that was not understood (RFC 3696 §2).
 */
static bool ends_numeric(const char *name)
{
    const char *dot = strrchr(name, '.');
    const char *label = dot ? dot + 1 : name;
    return *label && !label[strspn(label, "0123456789")];
}

static int parse_pattern(struct rule *rule, const char *host, struct error *err)
{
    const char *name = host;
    if (strcmp(host, "*") == 0)
        name = "any";
    else if (strncmp(host, "*.", 2) == 0)
        name = host + 2;
    bool good = *name && strlen(name) <= HOST_NAME_LEN_MAX && *name != '.' && !ends_numeric(name);
    for (const char *p = name; *p; p++)
        good = good && name_char(*p);
    if (!good)
        return error_set(
            err, -EINVAL,
            "%.256s: neither an address (10.0.0.1), a block (10.0.0.0/8), a host pattern "
            "(*.example.org) nor a port (:8080)",
            rule->text);
    rule->kind = RULE_HOST;
    rule->pattern = strdup(host);
    if (!rule->pattern)
        return -ENOMEM;
    size_t len = strlen(rule->pattern);
    if (rule->pattern[len - 1] == '.')
        rule->pattern[len - 1] = '\0';
    return 0;
}

/* Cuts the item into host and port, in place. *ret_port is NULL if there is none. */
static int split(char *item, char **ret_host, char **ret_port, const char *text, struct error *err)
{
    char *host = item, *end = NULL, *colon = strchr(item, ':');
    if (*item == '[') {
        end = strchr(item, ']');
        if (!end || (end[1] && end[1] != ':'))
            return error_set(err, -EINVAL, "%s: write [ADDRESS]:PORT or [ADDRESS/LENGTH]:PORT",
                             text);
        host = item + 1;
        colon = end[1] ? end + 1 : NULL;
        *end = '\0';
    } else if (colon && strchr(colon + 1, ':')) {
        colon = NULL; /* a bare IPv6 address */
    }
    if (colon)
        *colon++ = '\0';
    *ret_host = host;
    *ret_port = colon;
    return 0;
}

static int parse_parts(struct rule *rule, char *item, struct error *err)
{
    char *host = NULL, *port = NULL;
    int r = split(item, &host, &port, rule->text, err);
    if (!r && port)
        r = parse_ports(rule, port, err);
    if (r)
        return r;
    if (!*host && port && *item != '[')
        return 0; /* RULE_ANY */
    r = parse_block(rule, host, err);
    return r == -ENOENT ? parse_pattern(rule, host, err) : r;
}

static int parse_rule(struct rule *rule, const char *text, struct error *err)
{
    *rule = (struct rule){.kind = RULE_ANY, .port_max = 65535, .text = strdup(text)};
    char *item = strdup(text);
    int r = rule->text && item ? parse_parts(rule, item, err) : -ENOMEM;
    free(item);
    return r;
}

static int parse_rules(struct rules *rules, const char *const *items, size_t count,
                       struct error *err)
{
    if (!count)
        return 0;
    rules->rules = calloc(count, sizeof *rules->rules);
    if (!rules->rules)
        return error_set(err, -ENOMEM, "out of memory");
    for (size_t i = 0; i < count; i++) {
        rules->count = i + 1;
        int r = parse_rule(&rules->rules[i], items[i], err);
        if (r == -ENOMEM)
            return error_set(err, r, "out of memory");
        if (r)
            return r;
    }
    return 0;
}

static void free_rules(struct rules *rules)
{
    for (size_t i = 0; i < rules->count; i++) {
        free(rules->rules[i].text);
        free(rules->rules[i].pattern);
    }
    free(rules->rules);
}

static void policy_free(struct policy *policy)
{
    free_rules(&policy->allow);
    free_rules(&policy->deny);
    free_rules(&policy->translators);
    free(policy);
}

int policy_new(const char *const *allow, size_t allow_count, const char *const *deny,
               size_t deny_count, struct policy **ret_policy, struct error *err)
{
    struct policy *policy = calloc(1, sizeof *policy);
    if (!policy)
        return error_set(err, -ENOMEM, "out of memory");
    atomic_init(&policy->refs, 1);
    int r = parse_rules(&policy->allow, allow, allow_count, err);
    if (!r)
        r = parse_rules(&policy->deny, deny, deny_count, err);
    if (r) {
        policy_free(policy);
        return r;
    }
    *ret_policy = policy;
    return 0;
}

int policy_set_translators(struct policy *policy, const char *const *prefixes, size_t count,
                           struct error *err)
{
    struct rules *rules = &policy->translators;
    int r = parse_rules(rules, prefixes, count, err);
    for (size_t i = 0; r == 0 && i < rules->count; i++) {
        const struct rule *rule = &rules->rules[i];
        struct address v4;
        bool port = rule->port_min > 0 || rule->port_max < 65535;
        if (rule->kind != RULE_BLOCK || port ||
            !address_translated(&rule->block, rule->prefix, &v4))
            r = error_set(err, -EINVAL,
                          "%s: a translator's prefix is an IPv6 block of length 32, 40, 48, 56, 64 "
                          "or 96, as 2001:db8:64::/96",
                          rule->text);
    }
    return r;
}

struct policy *policy_ref(struct policy *policy)
{
    atomic_fetch_add_explicit(&policy->refs, 1, memory_order_relaxed);
    return policy;
}

void policy_unref(struct policy *policy)
{
    if (policy && atomic_fetch_sub_explicit(&policy->refs, 1, memory_order_acq_rel) == 1)
        policy_free(policy);
}

/* --- judging --- */

/* What is judged. address.family is 0 where only the name is known. */
struct subject {
    const char *host;
    struct address address, v4;
    bool embedded; /* v4 is set */
    int port;
};

static bool pattern_matches(const char *pattern, const char *host)
{
    size_t len = strlen(host);
    if (len && host[len - 1] == '.')
        len--;
    if (strcmp(pattern, "*") == 0)
        return true;
    if (*pattern != '*')
        return strlen(pattern) == len && strncasecmp(pattern, host, len) == 0;
    size_t tail = strlen(pattern) - 1; /* ".example.org" */
    return len > tail && strncasecmp(pattern + 1, host + len - tail, tail) == 0;
}

static bool rule_matches(const struct rule *rule, const struct subject *s)
{
    if (s->port < (int)rule->port_min || s->port > (int)rule->port_max)
        return false;
    if (rule->kind == RULE_ANY)
        return true;
    if (rule->kind == RULE_HOST)
        return pattern_matches(rule->pattern, s->host);
    return address_in(&s->address, &rule->block, rule->prefix) ||
           (s->embedded && address_in(&s->v4, &rule->block, rule->prefix));
}

static const struct rule *find_rule(const struct rules *rules, const struct subject *s)
{
    for (size_t i = 0; i < rules->count; i++)
        if (rule_matches(&rules->rules[i], s))
            return &rules->rules[i];
    return NULL;
}

static int check_denied(const struct policy *policy, const struct subject *s, struct error *err)
{
    const struct rule *rule = find_rule(&policy->deny, s);
    if (!rule)
        return 0;
    if (!s->address.family)
        return error_set(err, -EACCES, "%s port %d is refused by deny = %s in [policy]", s->host,
                         s->port, rule->text);
    char text[ADDRESS_TEXT_SIZE];
    address_print(&s->address, text);
    return error_set(err, -EACCES, "%s (%s port %d) is refused by deny = %s in [policy]", s->host,
                     text, s->port, rule->text);
}

/* The narrowest line that would do: of the carried IPv4 address where there is one, as that is what
 * a person knows the host by. */
static int refuse_class(const struct subject *s, const char *class, struct error *err)
{
    char text[ADDRESS_TEXT_SIZE], remedy[ADDRESS_TEXT_SIZE];
    const struct address *a = s->embedded ? &s->v4 : &s->address;
    address_print(&s->address, text);
    address_print(a, remedy);
    /* The remedy before the host, which may be long. */
    return error_set(err, -EACCES,
                     "the address %s is %s: refused unless [policy] says allow = %s/%d (host %s)",
                     text, class, remedy, a->family == AF_INET ? 32 : 128, s->host);
}

/* Finds the IPv4 address that this one is on its way to. */
static void find_embedded(const struct policy *policy, struct subject *s)
{
    s->embedded = address_embedded(&s->address, &s->v4);
    for (size_t i = 0; !s->embedded && i < policy->translators.count; i++) {
        const struct rule *t = &policy->translators.rules[i];
        if (address_in(&s->address, &t->block, t->prefix))
            s->embedded = address_translated(&s->address, t->prefix, &s->v4);
    }
}

static int check_subject(const struct policy *policy, struct subject *s, struct error *err)
{
    find_embedded(policy, s);
    int r = check_denied(policy, s, err);
    if (r)
        return r;
    const char *class = address_class(s->embedded ? &s->v4 : &s->address);
    if (!class || find_rule(&policy->allow, s))
        return 0;
    return refuse_class(s, class, err);
}

int policy_check(const struct policy *policy, const char *host, const struct sockaddr *addr,
                 socklen_t len, struct error *err)
{
    struct subject s = {.host = host};
    if (address_from_sockaddr(addr, len, &s.address, &s.port) < 0)
        return error_set(err, -EACCES, "%s has an address that is neither IPv4 nor IPv6", host);
    return check_subject(policy, &s, err);
}

/* A literal, perhaps with the dot of a full name behind it, which some resolvers take. */
static int read_literal(const char *host, struct address *ret_address)
{
    char name[ADDRESS_TEXT_SIZE];
    size_t len = strlen(host);
    if (len < 2 || host[len - 1] != '.' || len > sizeof name)
        return address_from_literal(host, ret_address);
    memcpy(name, host, len - 1);
    name[len - 1] = '\0';
    return address_from_literal(name, ret_address);
}

int policy_check_host(const struct policy *policy, const char *host, int port, struct error *err)
{
    struct subject s = {.host = host, .port = port};
    if (read_literal(host, &s.address) == 0)
        return check_subject(policy, &s, err);
    s.address.family = 0;
    return check_denied(policy, &s, err);
}
