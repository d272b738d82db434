#include "base/suggest.h"

#include <stdio.h>
#include <string.h>

#define WORD_MAX 48 /* names of ours are shorter; a longer word is no slip of one */

void suggest_init(struct suggest *s, const char *word)
{
    *s = (struct suggest){.word = word, .distance = (size_t)-1};
}

static size_t min3(size_t a, size_t b, size_t c)
{
    size_t m = a < b ? a : b;
    return m < c ? m : c;
}

/* Levenshtein's distance, row by row. Both at most WORD_MAX long. */
static size_t distance(const char *a, const char *b)
{
    size_t row[WORD_MAX + 1];
    size_t n = strlen(b);

    for (size_t j = 0; j <= n; j++)
        row[j] = j;
    for (size_t i = 1; a[i - 1]; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= n; j++) {
            size_t above = row[j];
            row[j] = min3(above + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1]));
            diagonal = above;
        }
    }
    return row[n];
}

void suggest_offer(struct suggest *s, const char *name)
{
    size_t len = strlen(name);
    if (strlen(s->word) > WORD_MAX || len > WORD_MAX)
        return;
    size_t d = distance(s->word, name);
    if (d < s->distance && d <= (len < 6 ? 2 : len / 3)) {
        s->distance = d;
        s->best = name;
    }
}

const char *suggest_text(const struct suggest *s, char *buf, size_t size)
{
    if (!s->best)
        return "";
    snprintf(buf, size, "; did you mean %s?", s->best);
    return buf;
}
