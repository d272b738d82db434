#include "ctl/refused.h"

#include <string.h>

enum { INVALID_PARAMS = -32602, NOT_FOUND = -32001 }; /* PROTOCOL.md */

/* Without the place in a list: "schedules[0].every" is about "every", "headers[1]" about
 * "headers". */
static const char *member_of(const char *field, size_t *ret_len)
{
    const char *dot = strrchr(field, '.');
    const char *member = dot && strncmp(field, "schedules[", 10) == 0 ? dot + 1 : field;
    *ret_len = strcspn(member, "[.");
    return member;
}

/* The option that was given and sets this member, or NULL. */
static const struct opt_def *option_of(const struct args *args, const char *field)
{
    size_t len;
    const char *member = member_of(field, &len);
    for (size_t i = 0; i < args->given_count; i++) {
        char storage[64];
        enum opt opt = args->given[i].opt;
        const char *name = opt_json_name(opt, storage, sizeof storage);
        bool same = strncmp(name, member, len) == 0 && name[len] == '\0';
        if (same || (opt == OPT_LABEL && len == 5 && strncmp(member, "label", 5) == 0))
            return &opt_defs[opt];
    }
    return NULL;
}

bool refusal_is_usage(const struct args *args, int code, const char *field, const char *message,
                      struct error *ret_text)
{
    if (!field || (code != INVALID_PARAMS && code != NOT_FOUND))
        return false;
    const struct opt_def *option = option_of(args, field);
    size_t len = strlen(field);
    bool named = strncmp(message, field, len) == 0;
    const char *colon = named ? strstr(message + len, ": ") : NULL;
    if (option)
        error_set(ret_text, 0, "--%s: %s", option->name, colon ? colon + 2 : message);
    else if (strcmp(field, "url") == 0 && code == INVALID_PARAMS && args->operand_count > 0)
        error_set(ret_text, 0, "%s", message);
    else
        return false;
    return true;
}
