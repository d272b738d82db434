/* Errors. Two kinds, one way each:
 *  - a function returns 0 or a negative errno, which travels up unchanged; a positive return is a
 *    condition that its header documents and its caller handles at the call;
 *  - where a person must mend something (a config, a request, a plug-in), it also takes a struct
 *    error and leaves there one sentence that names the field and the remedy.
 * An error is logged once: by the one who handles it, never by the one who returns it. */
#ifndef PENSTOCK_BASE_ERROR_H
#define PENSTOCK_BASE_ERROR_H

struct error {
    char text[512]; /* one line, no newline, valid UTF-8; "" for none */
};

/* Writes the sentence (cut at 511 bytes; control characters and what is not UTF-8 as '?') and
 * returns `code`, so that one can write `return error_set(err, -EINVAL, …)`. err may be NULL;
 * err->text may be among the arguments. */
int error_set(struct error *err, int code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#endif
