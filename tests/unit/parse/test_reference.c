/* The built-in parsers against python3 and its csv and json modules, on a real file and on random
 * ones. Skipped where it is missing. */
#include "harness.h"

#include <stdio.h>

#define OUI "/usr/share/ieee-data/oui.csv"

static void parse_file(struct harness *h, const struct penstock_parser *parser, const char *options,
                       const char *path)
{
    struct buf text = BUF_INIT;
    assert_true(test_read_file(path, &text));
    harness_init(h, parser, options);
    harness_run(h, text.data ? text.data : "", text.len);
    assert_string_equal(h->task.message, "");
    assert_int_equal(h->task.result, PENSTOCK_OK);
    buf_deinit(&text);
}

/* False: the program is not there. */
static bool output_of(const char *const argv[], struct buf *out)
{
    struct buf err = BUF_INIT;
    int status = test_run(argv, NULL, 60000 * test_patience(), out, &err);
    bool missing = status == 127;
    if (status != 0 && !missing)
        fail_msg("%s: %d %s", argv[0], status, err.data ? err.data : "");
    buf_deinit(&err);
    return !missing;
}

static const char count_by_python[] =
    "import re, sys\n"
    "body = open(sys.argv[1], 'rb').read()\n"
    "words = [word for word in body.split() if re.search(b'[!-~]', word)]\n"
    "print(body.count(b'\\n'), len(words), len(body))\n";

static void check_count(const char *path)
{
    const char *const argv[] = {"python3", "-c", count_by_python, path, NULL};
    struct buf out = BUF_INIT;
    struct harness h;
    unsigned long lines, words, bytes;
    char wanted[128];
    if (!output_of(argv, &out))
        skip();
    assert_int_equal(sscanf(out.data, "%lu %lu %lu", &lines, &words, &bytes), 3);
    snprintf(wanted, sizeof wanted, "{\"bytes\":%lu,\"lines\":%lu,\"words\":%lu}\n", bytes, lines,
             words);
    parse_file(&h, &parser_count, NULL, path);
    assert_string_equal(h.records.data, wanted);
    harness_deinit(&h);
    buf_deinit(&out);
}

static const char rows_by_python[] =
    "import csv, json, sys\n"
    "name, delimiter, quote, header = sys.argv[1:]\n"
    "style = dict(delimiter=delimiter, quotechar=quote)\n"
    "csv.field_size_limit(1 << 30)\n"
    "with open(name, encoding='utf-8-sig', newline='') as f:\n"
    "    rows = csv.DictReader(f, restkey='_extra', **style) if header == 'yes' else "
    "filter(None, csv.reader(f, **style))\n"
    "    for row in rows:\n"
    "        if header == 'yes':\n"
    "            row = {k: v for k, v in row.items() if v is not None}\n"
    "        sys.stdout.buffer.write(json.dumps(row, ensure_ascii=False, "
    "separators=(',', ':')).encode() + b'\\n')\n";

static void check_csv(const char *path, const char *delimiter, const char *quote,
                      const char *header)
{
    const char *const argv[] = {"python3", "-c",  rows_by_python, path,
                                delimiter, quote, header,         NULL};
    struct buf out = BUF_INIT;
    struct harness h;
    char options[64];
    if (!output_of(argv, &out))
        skip();
    snprintf(options, sizeof options, "delimiter=%s\nquote=%s\nheader=%s", delimiter, quote,
             header);
    parse_file(&h, &parser_csv, options, path);
    assert_int_equal(h.records.len, out.len);
    assert_int_equal(memcmp(h.records.data, out.data ? out.data : "", out.len), 0);
    harness_deinit(&h);
    buf_deinit(&out);
}

static void need_oui(void)
{
    if (access(OUI, R_OK) < 0)
        skip();
}

static void test_count_oui(void **state)
{
    need_oui();
    check_count(OUI);
}

static void test_csv_oui(void **state)
{
    need_oui();
    check_csv(OUI, ",", "\"", "yes");
    check_csv(OUI, ",", "\"", "no");
}

static const char *random_file(const char *alphabet, unsigned seed, size_t len)
{
    char *text = malloc(len + 1);
    size_t letters = strlen(alphabet);
    for (size_t i = 0; i < len; i++)
        text[i] = alphabet[(size_t)rand_r(&seed) % letters];
    const char *path = test_path("random-%u", seed);
    test_write_file(path, text, len);
    free(text);
    return path;
}

static void test_count_random(void **state)
{
    for (unsigned i = 0; i < 10; i++)
        check_count(random_file("  \n\t\r\v\fabcdefg!~\x01\x7f\x80\xa0\xff", i, 20000));
}

/* Anything at all but an end within quotes, which python lets pass: that is closed here, and on a
 * line of its own. Two quotes first make that as likely in as out. */
static const char *random_csv(const char *alphabet, unsigned seed, size_t len, bool *ret_open)
{
    const char *path = random_file(alphabet, seed, len);
    struct buf text = BUF_INIT;
    struct harness h;
    assert_true(test_read_file(path, &text));
    harness_init(&h, &parser_csv, "header=no");
    harness_run(&h, text.data, text.len);
    *ret_open = h.task.result == PENSTOCK_FAILED;
    if (*ret_open)
        assert_non_null(strstr(h.task.message, "not closed before the end"));
    harness_deinit(&h);
    buf_deinit(&text);
    return path;
}

static void test_csv_random(void **state)
{
    int whole = 0;
    for (unsigned i = 0; i < 30 && whole < 12; i++) {
        bool open;
        const char *path = random_csv("\"\"\"\",,,abcd \n\r\n", i, 5000, &open);
        if (open)
            continue;
        whole++;
        check_csv(path, ",", "\"", "no");
        check_csv(path, ";", "'", "no");
    }
    assert_int_not_equal(whole, 0);
}

/* What a spreadsheet would write: python's own writer, read back by both. */
static const char written_by_python[] =
    "import csv, random, sys\n"
    "chance = random.Random(int(sys.argv[2]))\n"
    "cells = ['', 'a', 'b c', 'q\"q', 'x,y', 'new\\nline', 'cr\\r\\nlf', 'ümläut', ' space ', "
    "'\"', '\"\"', "
    "'\\u2028', '\\x01', '\\U0001d11e', 'long ' * 3000]\n"
    "with open(sys.argv[1], 'w', encoding='utf-8-sig', newline='') as f:\n"
    "    out = csv.writer(f, lineterminator=chance.choice(['\\n', '\\r\\n', '\\r']))\n"
    "    out.writerow(['one', 'two', 'drei', 'vier'])\n"
    "    for _ in range(1000):\n"
    "        out.writerow([chance.choice(cells) for _ in range(chance.choice([4, 4, 4, 2, 6]))])\n";

static void test_csv_written_by_python(void **state)
{
    for (int i = 0; i < 3; i++) {
        const char *path = test_path("written-%d.csv", i);
        char seed[16];
        snprintf(seed, sizeof seed, "%d", i);
        const char *const argv[] = {"python3", "-c", written_by_python, path, seed, NULL};
        if (!output_of(argv, NULL))
            skip();
        check_csv(path, ",", "\"", "yes");
    }
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_count_oui),
        cmocka_unit_test(test_count_random),
        cmocka_unit_test(test_csv_oui),
        cmocka_unit_test(test_csv_random),
        cmocka_unit_test(test_csv_written_by_python),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
