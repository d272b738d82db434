/* A loop of the program's own around a struct penstock: submits URLs, follows them, and prints what
 * comes. */
#include <penstock/client.h>

#include <poll.h>
#include <stdlib.h>
#include <string.h>

static struct penstock *p;
static int answers, events, ended, again;

/* Who calls again whenever a call fails comes to an end all the same. */
static void call_again(void *arg, const char *answer, const struct penstock_fault *fault)
{
    (void)answer;
    if (again++ > 3)
        exit(1);
    if (fault)
        printf("again: %d\n", penstock_call(p, "ping", NULL, call_again, arg));
}

static void on_submitted(void *arg, const char *answer, const struct penstock_fault *fault)
{
    answers++;
    if (fault)
        printf("%s: no %d %s: %s\n", (const char *)arg, fault->code, fault->field, fault->message);
    else
        printf("%s: %s\n", (const char *)arg, answer);
}

static void on_event(void *arg, const char *line)
{
    (void)arg;
    if (!line) {
        ended++;
        return;
    }
    events++;
    if (strstr(line, "\"event\":\"verdict\""))
        printf("verdict %s\n", strstr(line, "\"state\":\"done\"") ? "done" : "other");
}

int main(int argc, char **argv)
{
    char *text = NULL, params[2000];
    int r = penstock_connect(NULL, &p);
    if (r < 0) {
        printf("no: %s\n", penstock_error(NULL));
        return 1;
    }
    if (penstock_ask(p, "ping", NULL, &text) != 0)
        return 1;
    free(text);
    if (penstock_ask(p, "show", "{\"id\":999999}", &text) != 1)
        return 1;
    printf("fault %d\n", penstock_fault_of(p)->code);
    if (penstock_call(p, "ping", "{", NULL, NULL) != -22)
        return 1;
    penstock_on_event(p, on_event, NULL);
    for (int i = 1; i < argc; i++) {
        snprintf(params, sizeof params, "{\"url\":\"%s\",\"parser\":\"lines\",\"follow\":true}",
                 argv[i]);
        if (penstock_call(p, "submit", params, on_submitted, argv[i]) < 0)
            return 1;
    }
    if (penstock_submit(p, "ftp://x", "label.a=b", on_submitted, (void *)"ftp") < 0)
        return 1;
    while (answers < argc || !ended) {
        struct pollfd pfd = {penstock_get_fd(p), penstock_get_events(p), 0};
        poll(&pfd, 1, 10000);
        if ((r = penstock_process(p)) < 0) {
            printf("ended: %s\n", penstock_error(NULL));
            break;
        }
    }
    printf("%d events\n", events);
    penstock_call(p, "ping", NULL, on_submitted, (void *)"last");
    penstock_call(p, "ping", NULL, call_again, NULL);
    penstock_disconnect(p);
    return 0;
}
