/* The job parameters: what a job, its parser's section, its host's sections and [defaults] may say.
 */
#include "terms/params.h"

#include "base/clock.h"
#include "flow/charset.h"
#include "flow/decode.h"
#include "flow/message_digest.h"
#include "parse/plugin_check.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define DAY  (86400 * NS_PER_SEC)
#define YEAR (365 * DAY)
#define KIB  (UINT64_C(1) << 10)

int check_name(const char *text, struct error *err)
{
    size_t len = strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.");
    if (len > 0 && len <= 64 && text[len] == '\0')
        return 0;
    return error_set(err, -EINVAL, "'%.64s' is no name; it has 1 to 64 of A-Z a-z 0-9 _ - .", text);
}

static int check_media_type(const char *text, struct error *err)
{
    const char *slash = strchr(text, '/');
    size_t len = strlen(text);
    if (slash && slash > text && slash[1] && !strchr(slash + 1, '/') && len <= 128 &&
        strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$&^_.+-*/") ==
            len)
        return 0;
    return error_set(err, -EINVAL, "'%.64s' is no media type; write text/csv or text/*", text);
}

/* "404", "4xx". Not 1xx, which is never final, and not 206: a part of a body is no body. */
static int check_status(const char *text, struct error *err)
{
    if (strcmp(text, "206") == 0)
        return error_set(err, -EINVAL, "206 is a part of a body, which no parser gets for a whole");
    if (strlen(text) == 3 && text[0] >= '2' && text[0] <= '5' &&
        ((isdigit((unsigned char)text[1]) && isdigit((unsigned char)text[2])) ||
         strcmp(text + 1, "xx") == 0))
        return 0;
    return error_set(err, -EINVAL, "'%.40s' is no status; write 404 or 5xx, from 200 on", text);
}

static int check_digest(const char *text, struct error *err)
{
    char algorithm[16];
    size_t len = strcspn(text, ":");
    size_t digits = 0;

    if (len < sizeof algorithm) {
        memcpy(algorithm, text, len);
        algorithm[len] = '\0';
        digits = digest_hex_length(algorithm);
    }
    if (digits == 0)
        return error_set(err, -EINVAL,
                         "'%.40s' is no digest; write sha256, or sha256:HEX to demand it"
                         " (sha384 and sha512 are known too)",
                         text);
    if (text[len] == '\0')
        return 0;
    const char *hex = text + len + 1;
    if (strlen(hex) == digits && strspn(hex, "0123456789abcdef") == digits)
        return 0;
    return error_set(err, -EINVAL, "%s has %zu hexadecimal digits in lower case", algorithm,
                     digits);
}

static int check_user_agent(const char *text, struct error *err)
{
    if (strlen(text) > 256)
        return error_set(err, -EINVAL, "it is over 256 bytes");
    for (const char *p = text; *p; p++)
        if ((unsigned char)*p < 0x20 || (unsigned char)*p >= 0x7f)
            return error_set(err, -EINVAL, "it is printable ASCII");
    return 0;
}

static const struct field_choice delivers[] = {
    {"stream", DELIVER_STREAM}, {"commit", DELIVER_COMMIT}, {NULL, 0}};
static const struct field_choice unverifieds[] = {
    {"fail", UNVERIFIED_FAIL}, {"accept", UNVERIFIED_ACCEPT}, {NULL, 0}};
static const struct field_choice keep_bodies[] = {
    {"never", KEEP_BODY_NEVER}, {"failed", KEEP_BODY_FAILED}, {NULL, 0}};

static const struct field_choice decodes[] = {{"auto", DECODE_FILE_AUTO},
                                              {"gzip", DECODE_FILE_GZIP},
                                              {"bzip2", DECODE_FILE_BZIP2},
                                              {"xz", DECODE_FILE_XZ},
                                              {"zstd", DECODE_FILE_ZSTD},
                                              {"none", DECODE_FILE_NONE},
                                              {NULL, 0}};
static const struct field_choice ips[] = {{"any", 0}, {"4", 4}, {"6", 6}, {NULL, 0}};
static const struct field_choice digest_ways[] = {
    {"verify", DIGEST_HEADERS_VERIFY}, {"ignore", DIGEST_HEADERS_IGNORE}, {NULL, 0}};
static const struct field_choice charset_ways[] = {
    {"fail", CHARSET_ERRORS_FAIL}, {"replace", CHARSET_ERRORS_REPLACE}, {NULL, 0}};
static const struct field_choice yes_no[] = {{"no", 0}, {"yes", 1}, {NULL, 0}};

#define AT(member) .offset = offsetof(struct job_params, member)

const struct field params_fields[PARAM_COUNT_] = {
    [PARAM_PARSER] = {"parser", FIELD_STRING, AT(parser), .standard = "count", .check = check_name,
                      .help = "The parser of jobs that name none."},
    [PARAM_DELIVER] = {"deliver", FIELD_CHOICE, AT(deliver), .standard = "stream",
                       .choices = delivers,
                       .help =
                           "Records as they come (stream), or all together once the job is done\n"
                           "(commit)."},
    [PARAM_UNVERIFIED] = {"unverified", FIELD_CHOICE, AT(unverified), .standard = "fail",
                          .choices = unverifieds,
                          .help =
                              "What becomes of a body whose end nobody can verify (no length, not\n"
                              "chunked, no digest): fail or accept."},
    [PARAM_MAX_ATTEMPTS] = {"max_attempts", FIELD_U64, AT(max_attempts), .standard = "5", .min = 1,
                            .max = 1000,
                            .help = "How often a job is tried, the first time included."},
    [PARAM_CONNECT_TIMEOUT] = {"connect_timeout", FIELD_DURATION, AT(connect_timeout),
                               .standard = "10s", .min = NS_PER_MS, .max = DAY,
                               .help = "Until the connection stands: name, TCP and TLS."},
    [PARAM_FIRST_BYTE_TIMEOUT] = {"first_byte_timeout", FIELD_DURATION, AT(first_byte_timeout),
                                  .standard = "60s", .min = NS_PER_MS, .max = DAY,
                                  .help = "From the request to the response's first byte."},
    [PARAM_STALL_TIMEOUT] = {"stall_timeout", FIELD_DURATION, AT(stall_timeout), .standard = "60s",
                             .min = NS_PER_MS, .max = DAY,
                             .help = "Without a byte from the origin, while we would read one."},
    [PARAM_PARSE_TIMEOUT] =
        {"parse_timeout", FIELD_DURATION, AT(parse_timeout), .standard = "1h", .min = NS_PER_MS,
         .max = YEAR, .none_ok = true,
         .help = "The parser's own time: it runs only while data and room for records\n"
                 "are there."},
    [PARAM_TIMEOUT] = {"timeout", FIELD_DURATION, AT(timeout), .standard = "1d", .min = NS_PER_MS,
                       .max = YEAR, .none_ok = true, .help = "A job's whole running time."},
    [PARAM_MAX_BODY] = {"max_body", FIELD_SIZE, AT(max_body), .standard = "none", .min = 1,
                        .none_ok = true,
                        .help = "Bytes of a body as it arrives, whatever its headers claim."},
    [PARAM_MAX_REDIRECTS] = {"max_redirects", FIELD_U64, AT(max_redirects), .standard = "10",
                             .max = 100, .help = "Redirects that an attempt follows."},
    [PARAM_MIN_BYTES] = {"min_bytes", FIELD_SIZE, AT(min_bytes), .standard = "0",
                         .help = "A body of fewer bytes fails as unexpected."},
    [PARAM_MIN_RECORDS] = {"min_records", FIELD_U64, AT(min_records), .standard = "0",
                           .help = "Fewer records fail as unexpected."},
    [PARAM_EXPECT_TYPE] = {"expect_type", FIELD_STRING, AT(expect_type), .standard = "",
                           .check = check_media_type,
                           .help = "Another Content-Type fails as unexpected: text/csv or text/*."},
    [PARAM_ACCEPT_STATUS] =
        {"accept_status", FIELD_LIST, AT(accept_status), .standard = "", .check = check_status,
         .help = "Statuses whose bodies are parsed besides 200, 203 and 204: 404 5xx."},
    [PARAM_DIGEST] = {"digest", FIELD_STRING, AT(digest), .standard = "", .check = check_digest,
                      .help = "Compute a digest of the body as it arrives (sha256), or demand one\n"
                              "(sha256:HEX)."},
    [PARAM_PRIORITY] = {"priority", FIELD_I64, AT(priority), .standard = "0", .max = 1000,
                        .help = "Higher runs first, from -1000 to 1000."},
    [PARAM_KEEP_BODY] = {"keep_body", FIELD_CHOICE, AT(keep_body), .standard = "never",
                         .choices = keep_bodies,
                         .help = "Keep the body that a parser failed on: never or failed."},
    [PARAM_USER_AGENT] = {"user_agent", FIELD_STRING, AT(user_agent),
                          .standard = "penstock/" PENSTOCK_VERSION, .shown = "",
                          .check = check_user_agent,
                          .help = "The User-Agent header. Empty: penstock/VERSION."},
    [PARAM_CREDENTIAL] = {"credential", FIELD_STRING, AT(credential), .standard = "",
                          .check = check_name,
                          .help = "The [credential \"…\"] that is sent along."},
    [PARAM_DECODE] = {"decode", FIELD_CHOICE, AT(decode), .standard = "auto", .choices = decodes,
                      .help =
                          "A file that is compressed, as a .gz is: auto tells by its first\n"
                          "bytes; gzip, bzip2, xz or zstd demand it; none leaves the body as it\n"
                          "came, whatever its Content-Encoding says."},
    [PARAM_MAX_DECODED] = {"max_decoded", FIELD_SIZE, AT(max_decoded), .standard = "64G", .min = 1,
                           .none_ok = true, .help = "Bytes of a body once it is decoded."},
    [PARAM_COMPRESS] = {"compress", FIELD_CHOICE, AT(compress), .standard = "no", .choices = yes_no,
                        .help = "Ask the origin to encode the body (gzip, zstd or br)."},
    [PARAM_COMMIT_MAX] = {"commit_max", FIELD_SIZE, AT(commit_max), .standard = "1G", .min = KIB,
                          .help = "Bytes of log lines that a job with deliver = commit may hold\n"
                                  "back, on disk (flow.spool_dir)."},
    [PARAM_IP] = {"ip", FIELD_CHOICE, AT(ip), .standard = "any", .choices = ips,
                  .help = "Connect to addresses of this version of IP only: any, 4 or 6."},
    [PARAM_DIGEST_HEADERS] =
        {"digest_headers", FIELD_CHOICE, AT(digest_headers), .standard = "verify",
         .choices = digest_ways,
         .help = "Repr-Digest, Content-Digest and Digest (sha-256, sha-512) in a response: verify\n"
                 "them, which costs a digest of the body, or ignore them."},
    [PARAM_ALLOW_DOWNGRADE] =
        {"allow_downgrade", FIELD_CHOICE, AT(allow_downgrade), .standard = "no", .choices = yes_no,
         .help = "Follow a redirect from https to http, where anybody on the\n"
                 "way can read and change what comes: yes or no."},
    [PARAM_CHARSET] = {"charset", FIELD_STRING, AT(charset), .standard = "", .check = charset_check,
                       .help =
                           "The charset of text that says none itself, by a byte order mark, its\n"
                           "Content-Type or an XML declaration: windows-1252. With a ! behind it\n"
                           "(windows-1252!) it wins over all of these. Empty: utf-8."},
    [PARAM_CHARSET_ERRORS] =
        {"charset_errors", FIELD_CHOICE, AT(charset_errors), .standard = "fail",
         .choices = charset_ways,
         .help = "Bytes that are no text in their charset: fail the job, or replace them by\n"
                 "U+FFFD, which the verdict counts (replaced)."},
    [PARAM_KEEP_RECORDS] =
        {"keep_records", FIELD_CHOICE, AT(keep_records), .standard = "no", .choices = yes_no,
         .help = "Keep a job's records under its id once it is done, to be read again by\n"
                 "`penstockctl records ID` ([results]): yes or no."},
};

int params_find(const char *name)
{
    for (int i = 0; i < PARAM_COUNT_; i++)
        if (strcmp(params_fields[i].name, name) == 0)
            return i;
    return -1;
}

void params_suggest(struct suggest *suggest)
{
    for (size_t i = 0; i < PARAM_COUNT_; i++)
        suggest_offer(suggest, params_fields[i].name);
}

int params_set_texts(struct job_params *params, int param, const char *const *texts, size_t count,
                     size_t *ret_bad, struct error *err)
{
    int r = field_set(&params_fields[param], params, texts, count, ret_bad, err);
    if (r == 0)
        params->set |= UINT64_C(1) << param;
    return r;
}

int params_set(struct job_params *params, const char *name, const char *value, struct error *err)
{
    size_t bad;
    int param = params_find(name);
    if (param < 0)
        return -ENOENT;
    return params_set_texts(params, param, &value, 1, &bad, err);
}

int params_standard(struct job_params *params, struct error *err)
{
    for (size_t i = 0; i < PARAM_COUNT_; i++) {
        int r = field_reset(&params_fields[i], params, err);
        if (r < 0)
            return r;
        params->set |= UINT64_C(1) << i;
    }
    return 0;
}

int params_inherit(struct job_params *params, const struct job_params *from)
{
    for (size_t i = 0; i < PARAM_COUNT_; i++) {
        uint64_t bit = UINT64_C(1) << i;
        if ((params->set & bit) || !(from->set & bit))
            continue;
        if (field_copy(&params_fields[i], params, from) < 0)
            return -ENOMEM;
        params->set |= bit;
    }
    return 0;
}

void params_fit(struct job_params *params, uint64_t asked, const struct penstock_parser *parser)
{
    bool said = asked & UINT64_C(1) << PARAM_DECODE || params->decode != DECODE_FILE_AUTO;
    params->as_published = !said && parser_flags(parser) & PENSTOCK_PARSER_AS_IS;
    if (params->as_published)
        params->decode = DECODE_FILE_NONE;
}

void params_deinit(struct job_params *params)
{
    for (size_t i = 0; i < PARAM_COUNT_; i++)
        field_clear(&params_fields[i], params);
    params->set = 0;
}

/* --- ceilings
 * ------------------------------------------------------------------------------------ */

bool params_has_ceiling(size_t param)
{
    switch (param) {
    case PARAM_MAX_ATTEMPTS:
    case PARAM_CONNECT_TIMEOUT:
    case PARAM_FIRST_BYTE_TIMEOUT:
    case PARAM_STALL_TIMEOUT:
    case PARAM_PARSE_TIMEOUT:
    case PARAM_TIMEOUT:
    case PARAM_MAX_BODY:
    case PARAM_MAX_DECODED:
    case PARAM_COMMIT_MAX:
    case PARAM_MAX_REDIRECTS:
    case PARAM_PRIORITY:
        return true;
    default:
        return false;
    }
}

static bool is_set(const struct job_params *params, size_t param)
{
    return params->set & UINT64_C(1) << param;
}

/* Is params_fields[i] above its ceiling? 0 means "none" where that is allowed, which is above any.
 */
static bool above(const struct job_params *params, const struct job_params *ceilings, size_t i)
{
    const struct field *field = &params_fields[i];
    const void *value = (const char *)params + field->offset;
    const void *limit = (const char *)ceilings + field->offset;

    if (!params_has_ceiling(i) || !is_set(params, i) || !is_set(ceilings, i))
        return false;
    if (field->type == FIELD_I64)
        return *(const int64_t *)value > *(const int64_t *)limit;
    uint64_t have = *(const uint64_t *)value, most = *(const uint64_t *)limit;
    if (field->none_ok)
        return most != 0 && (have == 0 || have > most);
    return have > most;
}

static int ceiling_error(const struct job_params *ceilings, size_t i, struct error *err)
{
    const struct field *field = &params_fields[i];
    const void *limit = (const char *)ceilings + field->offset;

    if (field->type == FIELD_DURATION)
        return error_set(err, -EINVAL, "%s: at most %gs here (ceilings.%s)", field->name,
                         (double)*(const uint64_t *)limit / (double)NS_PER_SEC, field->name);
    if (field->type == FIELD_I64)
        return error_set(err, -EINVAL, "%s: at most %" PRId64 " here (ceilings.%s)", field->name,
                         *(const int64_t *)limit, field->name);
    return error_set(err, -EINVAL, "%s: at most %" PRIu64 "%s here (ceilings.%s)", field->name,
                     *(const uint64_t *)limit, field->type == FIELD_SIZE ? " bytes" : "",
                     field->name);
}

int params_check_ceilings(const struct job_params *params, const struct job_params *ceilings,
                          struct error *err)
{
    for (size_t i = 0; i < PARAM_COUNT_; i++)
        if (above(params, ceilings, i))
            return ceiling_error(ceilings, i, err);
    return 0;
}

void params_lower(struct job_params *params, const struct job_params *ceilings)
{
    for (size_t i = 0; i < PARAM_COUNT_; i++)
        if (above(params, ceilings, i))
            field_copy(&params_fields[i], params, ceilings); /* numbers: nothing is allocated */
}
