#include "ctl/remedy.h"

#include <string.h>

/* clang-format off: a table */
static const struct {
    const char *kind, *remedy;
} remedies[] = {
    {"policy",
     "The address or the credential is not allowed. If the host is meant to be reached, "
     "name it in policy.allow; if "
     "a credential is to go there, name the host in its section; a redirect from https to "
     "http wants --allow-downgrade yes."},
    {"dns", "The name was not found. Check the URL's host, and the machine's resolver (`getent "
            "hosts NAME`)."},
    {"connect", "Nobody takes the connection. Check that the origin is up and that a firewall lets "
                "this machine through."},
    {"proxy",
     "It is the proxy of fetch.proxy that failed: the message names it. Check that it is up and "
     "lets this machine through to that host; a user and a password for it go into "
     "fetch.proxy_credential."},
    {"connect_timeout", "The origin, or a firewall before it, does not answer. If it is merely "
                        "slow: --connect-timeout."},
    {"tls", "The certificate or the handshake is wrong. Check the origin's certificate and this "
            "machine's clock; an own "
            "authority goes into fetch.ca_file."},
    {"protocol", "What came is not HTTP. Check the URL's port and scheme."},
    {"redirects", "The origin leads in a circle or nowhere. Submit the URL that is meant, or raise "
                  "--max-redirects."},
    {"http_status", "The origin said no: the message quotes it. 401 and 403 want a --credential, "
                    "404 another URL; to parse such a "
                    "body all the same: --accept-status."},
    {"first_byte_timeout", "The origin takes longer to answer than it may. If it computes for "
                           "long: --first-byte-timeout."},
    {"stalled",
     "The origin stopped in mid-body and did not go on. If it pauses on purpose: --stall-timeout."},
    {"truncated", "The connection broke in mid-body, and the rest could not be had: the message "
                  "says why. `retry` starts from the beginning. Where it says that a validator "
                  "is missing, the origin's operators can have their server send one: a strong "
                  "ETag or a Last-Modified."},
    {"unverified_end", "This origin ends bodies by closing the connection, so a cut can't be told "
                       "from an end. Demand a "
                       "--digest, or take the risk with --unverified accept."},
    {"job_timeout", "The job took longer than it may. `show` tells what it waited for; then "
                    "--timeout, or a faster parser."},
    {"parser_failed", "The parser does not like the body: the message names the place. With "
                      "--keep-body failed the body is "
                      "kept, and `penstockd --parse NAME FILE` tries again."},
    {"parser_timeout", "The parser computes longer than it may. Raise --parse-timeout, or keep the "
                       "body and try it by hand."},
    {"parser_crashed", "The parser's process died: a fault in it. Keep the body (--keep-body "
                       "failed) and run it under a "
                       "debugger: `penstockd --parse NAME FILE`."},
    {"exec_failed", "A program of the parser's section could not be started. Check its path and "
                    "permissions, also in the "
                    "service's sandbox (systemctl cat penstockd)."},
    {"decode_error", "The compressed body is damaged or cut at the origin (`retry`; if it is no "
                     "compressed file: --decode none), or "
                     "its text is in another charset than it says (--charset NAME!, or "
                     "--charset-errors replace)."},
    {"digest_mismatch", "The body is another one than was demanded. Check the digest; the origin's "
                        "file may have changed."},
    {"limit_exceeded", "A limit stopped it: the message names it. Raise that limit if such a size "
                       "is right (--max-body, "
                       "--max-decoded, --commit-max)."},
    {"unexpected", "The body is not what the job expects. Look at what the origin sends, then "
                   "adjust --expect-type, "
                   "--min-bytes or --min-records."},
    {"resources", "The daemon's machine was short of something: the message names it. Check "
                  "memory, descriptors and disk."},
    {"internal", "A fault in penstock. Please report it, with the daemon's diagnostics."},
};
/* clang-format on */

const char *remedy_for(const char *kind)
{
    for (size_t i = 0; i < sizeof remedies / sizeof *remedies; i++)
        if (strcmp(remedies[i].kind, kind) == 0)
            return remedies[i].remedy;
    return NULL;
}

const char *remedy_kind(size_t i)
{
    return i < sizeof remedies / sizeof *remedies ? remedies[i].kind : NULL;
}
