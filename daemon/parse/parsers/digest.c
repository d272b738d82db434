/* digest: the body's size and digests, one record: {"bytes":N,"sha256":"…",…}, in the order asked
 * for.
 *
 * It is the file's as it was published: a .gz counts as it is, unless `decode` is asked for,
 * and so does a body with a Content-Encoding, unless the job's `compress` has asked for that; then
 * it is taken off before. The job's own `digest` is of the body as it arrived. md5 and sha1 are
 * there to be compared with old lists, and prove nothing against somebody who wants to deceive. */
#include "parse/registry.h"

#include "parse/block.h"
#include "parse/options.h"

#include <errno.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <string.h>

#define MAX_ALGORITHMS 8

static const struct algorithm {
    const char *name;
    const EVP_MD *(*md)(void);
} algorithms[] = {
    {"md5", EVP_md5},           {"sha1", EVP_sha1},         {"sha224", EVP_sha224},
    {"sha256", EVP_sha256},     {"sha384", EVP_sha384},     {"sha512", EVP_sha512},
    {"sha3-256", EVP_sha3_256}, {"sha3-512", EVP_sha3_512}, {"blake2b512", EVP_blake2b512},
};

struct settings {
    const struct algorithm *chosen[MAX_ALGORITHMS];
    size_t count;
};

static const struct algorithm *find(const char *name, size_t len)
{
    for (size_t i = 0; i < sizeof algorithms / sizeof algorithms[0]; i++)
        if (strlen(algorithms[i].name) == len && strncmp(algorithms[i].name, name, len) == 0)
            return &algorithms[i];
    return NULL;
}

static bool chosen_before(const struct settings *s, const struct algorithm *algorithm)
{
    for (size_t i = 0; i < s->count; i++)
        if (s->chosen[i] == algorithm)
            return true;
    return false;
}

static void choose(struct options *o, struct settings *s, const char *name, size_t len)
{
    const struct algorithm *algorithm = find(name, len);
    if (!algorithm)
        option_fault(o,
                     "option \"algorithms\": %.*s is none of: md5, sha1, sha224, sha256, sha384, "
                     "sha512, sha3-256, sha3-512, blake2b512",
                     len > 32 ? 32 : (int)len, name);
    else if (chosen_before(s, algorithm))
        option_fault(o, "option \"algorithms\": %s is there twice", algorithm->name);
    else if (s->count == MAX_ALGORITHMS)
        option_fault(o, "option \"algorithms\": more than %d", MAX_ALGORITHMS);
    else
        s->chosen[s->count++] = algorithm;
}

static void read_settings(struct options *o, void *ret_settings)
{
    struct settings *s = ret_settings;
    const char *p = o->get(o->arg, "algorithms");
    *s = (struct settings){0};
    for (p = p ? p : ""; *(p += strspn(p, " ,")); p += strcspn(p, " ,"))
        choose(o, s, p, strcspn(p, " ,"));
    if (s->count == 0)
        option_fault(o, "option \"algorithms\": it names none");
}

static int check(const char *(*get)(void *arg, const char *name), void *arg, char *message,
                 size_t size)
{
    struct settings s;
    return options_check(get, arg, message, size, read_settings, &s);
}

struct digests {
    struct settings set;
    EVP_MD_CTX *contexts[MAX_ALGORITHMS];
    uint64_t bytes;
};

static int begin(struct digests *d)
{
    for (size_t i = 0; i < d->set.count; i++) {
        d->contexts[i] = EVP_MD_CTX_new();
        if (!d->contexts[i] || !EVP_DigestInit_ex(d->contexts[i], d->set.chosen[i]->md(), NULL))
            return -ENOMEM;
    }
    return 0;
}

static int add_all(struct digests *d, FILE *body)
{
    struct block block;
    block_init(&block, body);
    while (block_next(&block)) {
        d->bytes += block.len;
        for (size_t i = 0; i < d->set.count; i++)
            if (!EVP_DigestUpdate(d->contexts[i], block.data, block.len))
                return -ENOMEM;
    }
    return ferror(body) ? -EIO : 0;
}

static int put_digest(struct buf *b, const struct algorithm *algorithm, EVP_MD_CTX *context)
{
    unsigned char raw[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    if (!EVP_DigestFinal_ex(context, raw, &len))
        return -ENOMEM;
    buf_printf(b, ",\"%s\":\"", algorithm->name);
    for (unsigned i = 0; i < len; i++)
        buf_printf(b, "%02x", raw[i]);
    return buf_putc(b, '"');
}

static int emit(struct digests *d, struct penstock_run *run)
{
    struct buf b = BUF_INIT;
    int r = buf_printf(&b, "{\"bytes\":%" PRIu64, d->bytes);
    for (size_t i = 0; r == 0 && i < d->set.count; i++)
        r = put_digest(&b, d->set.chosen[i], d->contexts[i]);
    if (r == 0)
        r = buf_putc(&b, '}');
    if (r == 0)
        r = parse_task_emit(run, b.data, b.len);
    buf_deinit(&b);
    return r;
}

static int parse(FILE *body, struct penstock_run *run)
{
    struct digests d = {0};
    options_of_run(run, read_settings, &d.set);
    int r = begin(&d);
    if (r == 0)
        r = add_all(&d, body);
    if (r == 0)
        r = emit(&d, run);
    if (r == -ENOMEM)
        parse_task_fail(run, KIND_RESOURCES, 0, PENSTOCK_NO_OFFSET, "out of memory");
    for (size_t i = 0; i < d.set.count; i++)
        EVP_MD_CTX_free(d.contexts[i]);
    return r < 0 ? PENSTOCK_FAILED : PENSTOCK_OK;
}

static const struct penstock_option options[] = {
    {"algorithms", "sha256",
     "any of md5 sha1 sha224 sha256 sha384 sha512 sha3-256 sha3-512 blake2b512, with spaces"},
    {NULL, NULL, NULL},
};

const struct penstock_parser parser_digest = {
    .abi = PENSTOCK_PARSER_ABI,
    .size = sizeof(struct penstock_parser),
    .name = "digest",
    .summary = "one record: the size and digests of the body (sha256 unless told)",
    .options = options,
    .check = check,
    .parse = parse,
    .flags = PENSTOCK_PARSER_AS_IS,
};
