#include "ctl/commands.h"

#include "ctl/cmd_backup.h"
#include "ctl/cmd_change.h"
#include "ctl/cmd_check.h"
#include "ctl/cmd_daemon.h"
#include "ctl/cmd_fleet.h"
#include "ctl/cmd_jobs.h"
#include "ctl/cmd_metrics.h"
#include "ctl/cmd_records.h"
#include "ctl/cmd_run.h"
#include "ctl/cmd_schedule.h"
#include "ctl/cmd_submit.h"
#include "ctl/cmd_top.h"
#include "ctl/cmd_watch.h"

#define MANY ((size_t)-1)

/* clang-format off: a table */
const struct command commands[] = {
    {"run", "URL [OPTION...] -- COMMAND [ARG...]", "feed a body to your own command, now",
     "As `curl -s URL | COMMAND`, but a download that was cut never looks like an end: COMMAND, "
     "which\n"
     "is started at the body's first byte, sees an end of file only if the whole body has "
     "arrived;\n"
     "otherwise it is killed first, with all that it started. Until that first byte the job is "
     "tried "
     "again\n"
     "as any other. COMMAND runs as you, once, and reads a pipe of yours: decoded, if the origin "
     "has "
     "encoded it.\n"
     "Once it had the whole body, a SIGTERM leaves it --grace to end in: half of that by itself, "
     "then "
     "it gets\n"
     "SIGTERM, then SIGKILL; and what it has left in the background lives on. The exit status is "
     "COMMAND's if\n"
     "the body was whole, else 1.\n"
     "\n"
     "COMMAND gets the terminal when it asks for it (a password, a pager). From then on Ctrl-C is "
     "for "
     "it;\n"
     "before, Ctrl-C ends COMMAND all at once.\n"
     "\n"
     "What runs elsewhere (ssh, docker exec -i, systemd-run --pipe) cannot be killed from here, "
     "and "
     "takes the\n"
     "end of its relay for the end of the body. Let it commit by a last line that nothing else can "
     "contain:\n"
     "  token=$(uuidgen)\n"
     "  penstockctl run --trailer $token URL -- ssh HOST load-until $token\n",
     GROUP_JOB | GROUP_RUN, 0, MANY, false, cmd_run},
    {"submit", "URL... [OPTION...] | --from FILE|-", "queue URLs; prints one id a line",
     "Each id is printed as soon as the daemon has acknowledged the job: from then on it is not "
     "lost.\n"
     "With --from each line is a URL or a JSON object with the members of a job (`url`, and the\n"
     "options' names with _ for -); options given here hold for every line that does not say\n"
     "otherwise. A bad line is told with its number and stops no other.\n"
     "\n"
     "With --follow no line is missed: whoever reads them slowly slows these jobs down. Whoever\n"
     "reads nothing for a minute while other jobs wait for these is cut off, and they go on.\n"
     "\n"
     "With --follow --data the records of each job are printed once it is done, all of them and "
     "once, however\n"
     "often it was tried and however slowly they are read: it is submitted with --keep-records yes "
     "and\n"
     "--deliver commit, and they are read as by `records`. Exit status 0: no record is missing.\n",
     GROUP_SUBMIT | GROUP_STREAM | GROUP_JOB | GROUP_PARSED, 0, MANY, false, cmd_submit},
    {"list", "[SELECT] [--limit N] [--before ID]", "jobs, newest first", NULL,
     GROUP_LIST | GROUP_SELECT | GROUP_BEFORE | GROUP_PATIENCE, 0, 0, false, cmd_list},
    {"show", "ID", "a job's state and verdict", NULL, GROUP_PATIENCE, 1, 1, false, cmd_show},
    {"explain", "ID", "a job's life in words", NULL, GROUP_PATIENCE, 1, 1, false, cmd_explain},
    {"records", "ID [--attempt N]", "what a job has found, one record a line",
     "Of a job that keeps its records (--keep-records yes) and is done: the records of its good\n"
     "attempt, all of them, or exit status 3 and the reason. With --json the lines as they stand\n"
     "in the log. The daemon forgets them by [results] keep and max_size.\n",
     GROUP_RECORDS | GROUP_PATIENCE, 1, 1, false, cmd_records},
    {"wait", "ID...", "until all have ended; prints how each did",
     "Ctrl-C ends the waiting, not the jobs.\n", GROUP_PATIENCE, 1, MANY, false, cmd_wait},
    {"follow", "[ID...|SELECT] [--events LIST] [--data]", "log lines as they come",
     "With ids: until all of them have ended. Otherwise until Ctrl-C. Lines are printed as they "
     "stand\n"
     "in the daemon's log. Whoever reads too slowly is told how many lines were missed.\n"
     "\n"
     "With ids and --data: the records that these jobs keep (--keep-records yes), as `records` "
     "prints\n"
     "them, each job's once it is done.\n",
     GROUP_STREAM | GROUP_SELECT, 0, MANY, false, cmd_follow},
    {"cancel", "ID...|SELECT [--before ID]", "end jobs",
     "Of a selection all are ended, the newest first, however many there are; how many is told at\n"
     "the end. Ctrl-C stops after the page of 1,000 jobs that is under way, and tells how to go "
     "on.\n",
     GROUP_SELECT | GROUP_BEFORE | GROUP_PATIENCE, 0, MANY, false, cmd_cancel},
    {"retry", "ID...|SELECT [--before ID]", "submit copies of jobs",
     "Prints for each the copy's id and the id that it is a copy of. Of a selection all that have\n"
     "ended are copied, the newest first, and no copy is copied again; how many is told at the "
     "end.\n"
     "Ctrl-C stops after the page of 1,000 jobs that is under way, and tells how to go on: the "
     "same\n"
     "again would copy the same jobs again, but for --before.\n",
     GROUP_SELECT | GROUP_BEFORE | GROUP_PATIENCE, 0, MANY, false, cmd_retry},
    {"ping", "", "does the daemon answer?", NULL, GROUP_PATIENCE, 0, 0, false, cmd_ping},
    {"top", "", "what runs, renewed every second",
     "Running jobs, how far they are and what each waits for; hosts; workers; rates. Keys: up and "
     "down choose, "
     "Enter\n"
     "explains, c cancels, p holds a host, / filters, Tab goes to hosts, what failed lately and "
     "schedules,\n"
     "s sorts, space freezes, h helps, q ends. Where output is no terminal (or a dumb one): one "
     "picture, as\n"
     "plain text.\n",
     GROUP_TOP, 0, 0, false, cmd_top},
    {"stats", "", "what the daemon is doing", NULL, GROUP_PATIENCE, 0, 0, false, cmd_stats},
    {"fleet", "[evict NAME]", "the daemons that share the store",
     "Who is in the fleet, with how many of the 256 shards of hosts, how long ago it gave a sign "
     "of\n"
     "life, what it runs, and whether its config differs from the others'. With evict, for\n"
     "administrators: NAME is dead, and others shall take its hosts and jobs over at once and not "
     "only\n"
     "when its lease ends. If it lives after all it ends what it runs, and comes back.\n",
     GROUP_PATIENCE, 0, 2, false, cmd_fleet},
    {"parsers", "", "the parsers and their options", NULL, GROUP_PATIENCE, 0, 0, false,
     cmd_parsers},
    {"metrics", "[--output FILE]", "figures for Prometheus, in OpenMetrics format", NULL,
     GROUP_METRICS | GROUP_PATIENCE, 0, 0, false, cmd_metrics},
    {"check-url", "URL [--head] [OPTION...]", "what would become of such a job",
     "Makes no job: tells whether the policy permits the URL and each address that its name has "
     "here,\n"
     "which [host] sections, limits and credential hold, and from which section each term is. Exit "
     "status\n"
     "1 if it would get no further. With --head a job is made that asks for the head of the answer "
     "and\n"
     "for nothing else: it waits for its turn as any, has one attempt, and ends with this "
     "command.\n",
     GROUP_CHECK | GROUP_JOB | GROUP_PARSED, 1, 1, false, cmd_check_url},
    {"reload", "[--dry-run]", "read the config again, all or nothing",
     "Prints what has changed and takes effect with the daemon's next start only. With --dry-run\n"
     "nothing takes effect: prints each value that would change, and what is wrong.\n",
     GROUP_RELOAD | GROUP_PATIENCE, 0, 0, false, cmd_reload},
    {"pause", "[all | host NAME | parser NAME | schedule NAME]", "start no more jobs", NULL,
     GROUP_PATIENCE, 0, 2, false, cmd_generic},
    {"resume", "[all | host NAME | parser NAME | schedule NAME]", "start jobs again", NULL,
     GROUP_PATIENCE, 0, 2, false, cmd_generic},
    {"backup", "FILE|- [--force]", "a copy of the store, while the daemon runs",
     "FILE becomes a copy of all jobs and schedules as they stand at one moment, yours and for you "
     "alone\n"
     "(mode 0600), once it is whole; - is standard output. For administrators, as everybody's jobs "
     "are in\n"
     "it. penstock-operations(7) says how it is restored, and how kept records are saved.\n",
     GROUP_FORCE, 1, 1, false, cmd_backup},
    {"schedule", "apply FILE|- | add NAME URL | list | export | run NAME | remove NAME",
     "jobs that come again and again",
     "  schedule apply FILE|- [--prune] [--dry-run]   make them as the file says: JSON lines, as\n"
     "      "
     "{\"name\":\"people\",\"url\":\"https://example.org/"
     "people.csv\",\"parser\":\"csv\",\"every\":\"5min\"}\n"
     "  schedule add NAME URL --every TIME|--cron EXPR [OPTION...]\n"
     "  schedule list [--failing]    exit status 1 if one fails\n"
     "  schedule export [PATTERN]    what `schedule apply` takes, of all or of those whose names "
     "match\n"
     "  schedule run NAME [--force]  now, and once; prints the job's id\n"
     "  schedule remove NAME\n",
     GROUP_APPLY | GROUP_TIMING | GROUP_FAILING | GROUP_FORCE | GROUP_JOB | GROUP_PARSED, 1, MANY,
     false, cmd_schedule},
    {"help", "[COMMAND]", "this text, or a command's page", NULL, 0, 0, 1, false, NULL},
    {0},
};
/* clang-format on */
