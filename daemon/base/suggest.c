#include "base/suggest.h"

#include <stdbool.h>
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

/* Levenshtein's distance, row by row, with two neighbours that changed places as one step. Both at
 * most WORD_MAX long. */
static size_t distance(const char *a, const char *b)
{
    size_t rows[3][WORD_MAX + 1], *before = rows[0], *last = rows[1], *row = rows[2];
    size_t n = strlen(b);

    for (size_t j = 0; j <= n; j++)
        last[j] = j;
    for (size_t i = 1; a[i - 1]; i++) {
        row[0] = i;
        for (size_t j = 1; j <= n; j++) {
            row[j] = min3(last[j] + 1, row[j - 1] + 1, last[j - 1] + (a[i - 1] != b[j - 1]));
            bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
            if (swapped && before[j - 2] + 1 < row[j])
                row[j] = before[j - 2] + 1;
        }
        size_t *spare = before;
        before = last;
        last = row;
        row = spare;
    }
    return last[n];
}

/* How many letters may be wrong: fewer in short names, and never all of them. */
static size_t tolerance(size_t len)
{
    return len < 2 ? 0 : len < 4 ? 1 : len < 6 ? 2 : len / 3;
}

void suggest_offer(struct suggest *s, const char *name)
{
    size_t len = strlen(name);
    if (strlen(s->word) > WORD_MAX || len > WORD_MAX)
        return;
    size_t d = distance(s->word, name);
    if (d < s->distance && d <= tolerance(len)) {
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
