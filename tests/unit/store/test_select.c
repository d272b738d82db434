/* Labels are found where they stand, without memory, whatever is in them. */
#include "store/store.h"

#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static bool matches(const char *labels, const char *key, const char *value)
{
    struct store_select select = {.state = -1, .label_key = key, .label_value = value};
    struct store_job job = {.labels = (char *)(uintptr_t)labels};
    return store_select_match(&select, &job);
}

static void labels_of_all_kinds(void **state)
{
    static const char *const texts[] = {
        "",  "a",    "ab", "\"", "\\", "\\\"", "a\"b",  "/",     "\b\f\n\r\t", "\x01\x1f\x7f",
        "é", "日本", "😀",  ",",  ":",  "{}",   "\":\"", "u0041",
    };
    enum { N = sizeof texts / sizeof texts[0] };
    json_t *object = json_object();
    for (size_t i = 0; i < N; i++)
        json_object_set_new(object, texts[i], json_string(texts[(i + 1) % N]));
    char *labels = json_dumps(object, JSON_COMPACT | JSON_PRESERVE_ORDER);
    assert_non_null(labels);
    for (size_t i = 0; i < N; i++) {
        for (size_t j = 0; j < N; j++)
            if (matches(labels, texts[i], texts[j]) != (j == (i + 1) % N))
                fail_msg("'%s' = '%s' in %s", texts[i], texts[j], labels);
        assert_true(matches(labels, texts[i], NULL));
    }
    assert_false(matches(labels, "abc", NULL));
    assert_false(matches(labels, "A", NULL));
    free(labels);
    json_decref(object);
    assert_false(matches("{}", "a", NULL));
    assert_false(matches(NULL, "a", NULL));
}

/* Nothing is looked at behind a text's end. */
static void cut_texts(void **state)
{
    static const char whole[] = "{\"a\\u0001\":\"b\\n\",\"c\":\"d\"}";
    for (size_t len = 0; len < sizeof whole - 1; len++) {
        char *text = malloc(len + 1); /* so that a sanitizer sees it */
        assert_non_null(text);
        memcpy(text, whole, len);
        text[len] = '\0';
        matches(text, "c", "d");
        assert_false(matches(text, "e", NULL));
        free(text);
    }
    assert_true(matches(whole, "c", "d"));
    assert_true(matches(whole, "a\x01", "b\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(labels_of_all_kinds),
        cmocka_unit_test(cut_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
