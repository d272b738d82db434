"""Mistakes that people make: what they type, the exit status, and words of what they are told."""
import shlex
import socket
import threading

import penstock_test

# What is typed, the exit status (2: what was typed is wrong; 3: the daemon is not there, or says no), and how what is
# told begins. {u} is a URL of an origin.
TYPED = (
    ("help sumbit", 2, "there is no command 'sumbit'; did you mean submit?"),
    ("help submit list", 2, "'list' is too much: penstockctl help [COMMAND]"),
    ("frobnicate", 2, "there is no command 'frobnicate' (see: penstockctl help)"),
    ("lst", 2, "there is no command 'lst'; did you mean list?"),
    ("sumbit {u}", 2, "there is no command 'sumbit'; did you mean submit?"),
    ("ls", 2, "there is no command 'ls'; did you mean list?"),
    ("status", 2, "there is no command 'status'; did you mean stats?"),
    ("logs", 2, "there is no command 'logs'; did you mean follow?"),
    ("rm 1", 2, "there is no command 'rm'; did you mean cancel?"),
    ("why 1", 2, "there is no command 'why'; did you mean explain?"),
    ("http://example.org/x.csv", 2, "a command stands before the URL: penstockctl submit"),
    ("--frob", 2, "there is no option --frob; did you mean --from?"),
    ("--jsn list", 2, "there is no option --jsn; did you mean --json?"),
    ("list -n 5", 2, "there is no option -n: options begin with two dashes; did you mean --limit?"),
    ("submit -X POST {u}", 2, "there is no option -X: options begin with two dashes; did you mean --method?"),
    ("run -H a:b {u} -- cat", 2, "there is no option -H: options begin with two dashes; did you mean --header?"),
    ("list --max-body 1", 2, "`list` takes no --max-body (see: penstockctl help list)"),
    ("list --error truncatd", 2, "--error: there is no kind 'truncatd'; did you mean truncated?"),
    ("list --error 404", 2, "--error: there is no kind '404'"),
    ("list --state faild", 2, "--state: one of queued, waiting, running, done, failed, cancelled is wanted; did you mean failed?"),
    ("list --state error", 2, "--state: one of queued, waiting, running, done, failed, cancelled is"),
    ("list --label x", 2, "--label: 'x' is not of the form K=V"),
    ("list --label a=1 --label b=2", 2, "--label selects by one label only"),
    ("list --since tomorow", 2, "--since: 'tomorow' is no time; did you mean tomorrow?"),
    ("list --since 5m", 2, "--since: '5m' is no time; did you mean 5min?"),
    ("list --since 2026-13-01", 2, "--since: '2026-13-01' is no time. Write 2026-11-21 22:30 or 22:30"),
    ("list --limit 0", 2, "--limit: '0' is not a whole number from 1"),
    ("list --limit ten", 2, "--limit: 'ten' is not a whole number from 1"),
    ("list --limit", 2, "--limit needs a value: --limit N"),
    ("list --limit --json", 2, "--limit needs a value; if '--json' is meant: --limit=--json"),
    ("list --json=yes", 2, "--json takes no value"),
    ("list 7", 2, "'7' is too much: penstockctl list [SELECT] [--limit N]"),
    ("list --parser", 2, "--parser needs a value: --parser NAME"),
    ("show", 2, "`show` needs more than that: penstockctl show ID"),
    ("show x", 2, "'x' is not a job's id: those are numbers from 1"),
    ("show 1 2", 2, "'2' is too much: penstockctl show ID"),
    ("show 0", 2, "'0' is not a job's id: those are numbers from 1"),
    ("show -1", 2, "'-1' is no job's id: those are numbers from 1"),
    ("show 99", 3, "there is no job 99"),
    ("show 1x", 2, "'1x' is not a job's id: those are numbers from 1"),
    ("explain", 2, "`explain` needs more than that: penstockctl explain ID"),
    ("explain abc", 2, "'abc' is not a job's id: those are numbers from 1"),
    ("explain 99", 3, "there is no job 99"),
    ("wait", 2, "`wait` needs more than that: penstockctl wait ID..."),
    ("wait x", 2, "'x' is not a job's id: those are numbers from 1"),
    ("wait 99", 3, "99: there is no job 99"),
    ("wait 1 x", 2, "'x' is not a job's id: those are numbers from 1"),
    ("cancel", 2, "`cancel` needs ids or a selection: penstockctl cancel ID...|SELECT"),
    ("cancel x", 2, "'x' is not a job's id: those are numbers from 1"),
    ("cancel 99", 3, "99: no such job"),
    ("cancel 1 --state failed", 2, "`cancel` takes ids or a selection, not both"),
    ("cancel --stat failed", 2, "there is no option --stat; did you mean --state?"),
    ("retry", 2, "`retry` needs ids or a selection: penstockctl retry ID...|SELECT"),
    ("retry 99", 3, "99: no such job"),
    ("retry --state runing", 2, "--state: one of queued, waiting, running, done, failed, cancelled is wanted; did you mean running?"),
    ("retry --since 1hour", 2, "--since: '1hour' is no time; did you mean 1h?"),
    ("follow x", 2, "'x' is not a job's id: those are numbers from 1"),
    ("follow 99", 3, "ids: there is no job 99"),
    ("follow --events verdct", 2, "--events: there is no event 'verdct'; did you mean verdict?"),
    ("follow --events ,", 2, "--events needs a list, as record,verdict"),
    ("follow --data --events record", 2, "--data prints records only: --events has no place beside it"),
    ("follow --wait", 2, "`follow` takes no --wait (see: penstockctl help follow)"),
    ("run {u} wc -l", 2, "`--` stands before the command: penstockctl run {u} -- wc -l"),
    ("run {u} --", 2, "run: a command is wanted after `--`"),
    ("run -- wc -l", 2, "run: one URL is wanted before `--`"),
    ("run {u}", 2, "run: `--` stands before the command: run URL -- COMMAND"),
    ("run", 2, "run: `--` stands before the command: run URL -- COMMAND"),
    ("run {u} {u} -- wc", 2, "run: one URL is wanted before `--`"),
    ("run wc -l -- {u}", 2, "run: one URL is wanted before `--`"),
    ("run {u} --parser csv -- wc", 2, "`run` takes no --parser (see: penstockctl help run)"),
    ("run {u} --deliver commit -- wc", 2, "`run` takes no --deliver (see: penstockctl help run)"),
    ("run {u} --grace 5m -- wc", 2, "--grace: '5m' is not a duration; did you mean 5min?"),
    ("run {u} --grace soon -- wc", 2, "--grace: 'soon' is not a duration; write 90 or 90s, 500ms, 5min, 1h,"),
    ("run {u} --max-body 10mb -- wc", 2, "--max-body: '10mb' is not a size; did you mean 10M?"),
    ("run notaurl -- wc", 2, "url: it is not absolute; write http://HOST/PATH or https://…"),
    ("run ftp://example.org/x -- wc", 2, "url: its scheme is not http or https"),
    ("run {u} --option a=b -- wc", 2, "`run` takes no --option (see: penstockctl help run)"),
    ("run {u} --from x -- wc", 2, "`run` takes no --from (see: penstockctl help run)"),
    ("run {u} -l wc", 2, "`--` stands before the command: penstockctl run {u} -- -l wc"),
    ("submit", 2, "`submit` needs a URL: penstockctl submit URL... [OPTION...]"),
    ("submit notaurl", 2, "notaurl: url: it is not absolute; write http://HOST/PATH or https://…"),
    ("submit example.org/x.csv", 2, "example.org/x.csv: url: it is not absolute; did you mean https://example.org/x.csv?"),
    ("submit ftp://example.org/x", 2, "ftp://example.org/x: url: its scheme is not http or https"),
    ("submit file:///etc/passwd", 2, "file:///etc/passwd: url: its scheme is not http or https"),
    ("submit /etc/passwd", 2, "/etc/passwd: url: it is not absolute; write http://HOST/PATH or"),
    ("submit http://", 2, "http://: url: its host is missing"),
    ("submit http://user:pw@example.org/", 2, "http://***@example.org/: url: it holds a user or password; use"),
    ("submit http://example.org:99999/", 2, "http://example.org:99999/: url: it is no valid URL: Port number was"),
    ("submit {u} --parser cvs", 2, "--parser: there is none called 'cvs'; did you mean csv?"),
    ("submit {u} --parser csv --option 'delimeter=;'", 2, "--option: option \"delimeter\": the parser \"csv\" has no such option "),
    ("submit {u} --parser csv --option 'delimiter=;;'", 2, "--option: parser \"csv\": option \"delimiter\": \";;\" is not one ASCII"),
    ("submit {u} --parser csv --option delimiter", 2, "--option: 'delimiter' is not of the form K=V"),
    ("submit {u} --parser csv --option =x", 2, "--option: '=x' is not of the form K=V"),
    ("submit {u} --parser count --option x=1", 2, "--option: option \"x\": the parser \"count\" has no options"),
    ("submit {u} {u}2 {u}3 --max-body foo", 2, "--max-body: 'foo' is not a size; write 4096, 64K, 10M, 1G, 1T or none"),
    ("submit {u} --max-body 10M --min-bytes 1G", 2, "--min-bytes: min_bytes (1073741824) and max_body (10485760) cannot"),
    ("submit {u} --max-body -1", 2, "--max-body: '-1' is not a size; write 4096, 64K, 10M, 1G, 1T or none"),
    ("submit {u} --max-body '10 X'", 2, "--max-body: '10 X' is not a size; write 4096, 64K, 10M, 1G, 1T or none"),
    ("submit {u} --max-body 10MB", 2, "--max-body: '10MB' is not a size; did you mean 10M?"),
    ("submit {u} --max-body 1e6", 2, "--max-body: '1e6' is not a size; write 4096, 64K, 10M, 1G, 1T or none"),
    ("submit {u} --max-attempts zero", 2, "--max-attempts: 'zero' is not a whole number"),
    ("submit {u} --max-attempts 0", 2, "--max-attempts: '0' is not a whole number from 1 to 1000"),
    ("submit {u} --max-attempts 1.5", 2, "--max-attempts: '1.5' is not a whole number"),
    ("submit {u} --max-redirects many", 2, "--max-redirects: 'many' is not a whole number"),
    ("submit {u} --timeout 5m", 2, "--timeout: '5m' is not a duration; did you mean 5min?"),
    ("submit {u} --timeout 1hour", 2, "--timeout: '1hour' is not a duration; did you mean 1h?"),
    ("submit {u} --timeout -5s", 2, "--timeout: '-5s' is not a duration; write 90 or 90s, 500ms, 5min, 1h,"),
    ("submit {u} --connect-timeout 0", 2, "--connect-timeout: it is too short; at least 0.001s"),
    ("submit {u} --first-byte-timeout 5mn", 2, "--first-byte-timeout: '5mn' is not a duration; did you mean 5min?"),
    ("submit {u} --stall-timeout 1:30", 2, "--stall-timeout: '1:30' is not a duration; write 90 or 90s, 500ms,"),
    ("submit {u} --parse-timeout '2 hours'", 2, "--parse-timeout: '2 hours' is not a duration; did you mean 2h?"),
    ("submit {u} --priority high", 2, "--priority: 'high' is not a whole number"),
    ("submit {u} --priority 5000", 2, "--priority: '5000' is not a whole number from -1000 to 1000"),
    ("submit {u} --not-before yesterdy", 2, "--not-before: 'yesterdy' is no time; did you mean yesterday?"),
    ("submit {u} --not-before 25:00", 2, "--not-before: '25:00' is no time. Write 2026-11-21 22:30 or 22:30"),
    ("submit {u} --digest md5", 2, "--digest: 'md5' is no digest; write sha256, or sha256:HEX to demand"),
    ("submit {u} --digest sha256:xyz", 2, "--digest: sha256 has 64 hexadecimal digits in lower case"),
    ("submit {u} --digest sha265", 2, "--digest: 'sha265' is no digest; write sha256, or sha256:HEX to"),
    ("submit {u} --unverified ignore", 2, "--unverified: 'ignore' is not fail or accept"),
    ("submit {u} --deliver comit", 2, "--deliver: 'comit' is not stream or commit; did you mean commit?"),
    ("submit {u} --keep-body always", 2, "--keep-body: 'always' is not never or failed"),
    ("submit {u} --decode gz", 2, "--decode: 'gz' is not auto, gzip, bzip2, xz, zstd or none; did you mean xz?"),
    ("submit {u} --decode lz4", 2, "--decode: 'lz4' is not auto, gzip, bzip2, xz, zstd or none"),
    ("submit {u} --charset latin-9x", 2, "--charset: 'latin-9x' is no charset that is known here; write utf-8,"),
    ("submit {u} --charset-errors ignore", 2, "--charset-errors: 'ignore' is not fail or replace"),
    ("submit {u} --compress maybe", 2, "--compress: 'maybe' is not no or yes"),
    ("submit {u} --ip 5", 2, "--ip: '5' is not any, 4 or 6"),
    ("submit {u} --ip ipv6", 2, "--ip: 'ipv6' is not any, 4 or 6"),
    ("submit {u} --allow-downgrade sure", 2, "--allow-downgrade: 'sure' is not no or yes"),
    ("submit {u} --digest-headers check", 2, "--digest-headers: 'check' is not verify or ignore"),
    ("submit {u} --accept-status 4040", 2, "--accept-status: '4040' is no status; write 404 or 5xx, from 200 on"),
    ("submit {u} --accept-status abc", 2, "--accept-status: 'abc' is no status; write 404 or 5xx, from 200 on"),
    ("submit {u} --expect-type csv", 2, "--expect-type: 'csv' is no media type; write text/csv or text/*"),
    ("submit {u} --method PUT", 2, "--method: it is \"GET\" or \"POST\""),
    ("submit {u} --method post", 2, "--method: it is \"GET\" or \"POST\""),
    ("submit {u} --body /nonexistent", 2, "--body: /nonexistent: No such file or directory"),
    ("submit {u} --method GET --body /dev/null", 2, "--body: it goes with method POST only"),
    ("submit {u} --header Accept", 2, "--header: item 0 is not \"Name: value\""),
    ("submit {u} --header 'Authorization: x'", 2, "--header: Authorization is refused: it would carry a secret; use"),
    ("submit {u} --header ': x'", 2, "--header: '' is no header's name"),
    ("submit {u} --credential nobody", 2, "--credential: there is no credential nobody"),
    ("submit {u} --label x", 2, "--label: 'x' is not of the form K=V"),
    ("submit {u} --label =x", 2, "--label: '=x' is not of the form K=V"),
    ("submit {u} --min-records few", 2, "--min-records: 'few' is not a whole number"),
    ("submit {u} --min-records -1", 2, "--min-records: '-1' is not a whole number from 0"),
    ("submit {u} --max-decoded big", 2, "--max-decoded: 'big' is not a size; write 4096, 64K, 10M, 1G, 1T or"),
    ("submit {u} --commit-max 1", 2, "--commit-max: 1 bytes; at least 1024"),
    ("submit {u} --key ''", 2, "--key: it is empty"),
    ("submit {u} --user-agent", 2, "--user-agent needs a value: --user-agent TEXT"),
    ("submit {u} --wait --follow", 2, "--wait and --follow: choose one (--follow waits as well)"),
    ("submit {u} --data", 2, "--events and --data belong to --follow"),
    ("submit {u} --events verdict", 2, "--events and --data belong to --follow"),
    ("submit {u} --follow --events verdicts", 2, "--events: there is no event 'verdicts'; did you mean verdict?"),
    ("submit {u} --from x", 2, "URLs come from the command line or from --from, not from both"),
    ("submit --from /nonexistent", 2, "--from: /nonexistent: No such file or directory"),
    ("submit {u} --max_body 5", 2, "there is no option --max_body; did you mean --max-body?"),
    ("submit {u} --maxbody 5", 2, "there is no option --maxbody; did you mean --max-body?"),
    ("submit {u} --time-out 5", 2, "there is no option --time-out; did you mean --timeout?"),
    ("submit {u} --retries 5", 2, "there is no option --retries; did you mean --max-attempts?"),
    ("submit {u} --prase csv", 2, "there is no option --prase; did you mean --parser?"),
    ("submit {u} --no-such=1", 2, "there is no option --no-such (see: penstockctl help submit)"),
    ("submit {u} --help-me", 2, "there is no option --help-me (see: penstockctl help submit)"),
    ("pause hst example.org", 2, "'hst' is not all, host, parser or schedule; did you mean host?"),
    ("pause host", 2, "a name is wanted: penstockctl pause host NAME"),
    ("pause example.org", 2, "'example.org' is not all, host, parser or schedule (penstockctl pause"),
    ("pause parser nope", 3, "parser: there is no parser nope"),
    ("pause schedule nope", 3, "schedule: there is no schedule 'nope'"),
    ("resume everything", 2, "'everything' is not all, host, parser or schedule (penstockctl resume"),
    ("schedule", 2, "`schedule` needs more than that: penstockctl schedule apply FILE|-"),
    ("schedule lst", 2, "there is no `schedule lst`; there are apply, add, list, export, run and remove; did you mean list?"),
    ("schedule add", 2, "usage: penstockctl schedule add NAME URL --every TIME|--cron EXPR"),
    ("schedule add x", 2, "usage: penstockctl schedule add NAME URL --every TIME|--cron EXPR"),
    ("schedule add x {u}", 2, "`schedule add` needs to know when: --every 5min, or --cron '0 3 * * *'"),
    ("schedule add x {u} --every 5m", 2, "--every: '5m' is not a duration; did you mean 5min?"),
    ("schedule add x {u} --every 1ms", 2, "--every: it is less than 100ms"),
    ("schedule add x {u} --cron hourly", 2, "--cron: the minute 'hourly': numbers from 0 to 59 are meant"),
    ("schedule add x {u} --cron '61 * * * *'", 2, "--cron: the minute '61': numbers from 0 to 59 are meant"),
    ("schedule add x {u} --cron '* * * *'", 2, "--cron: five fields are wanted, as \"30 2 * * mon-fri\" (minute, hour,"),
    ("schedule add x {u} --every 5min --cron @daily", 2, "--every: it and `cron` are both there; give one of them"),
    ("schedule add x {u} --every 5min --timezone Mars/Olympus", 2, "--timezone: it goes with `cron` only"),
    ("schedule add x {u} --cron @daily --timezone Europe/Berln", 2, "--timezone: there is no zone 'Europe/Berln'; write one as"),
    ("schedule add x {u} --every 5min --jitter lots", 2, "--jitter: 'lots' is not a duration; write 90 or 90s, 500ms, 5min, 1h,"),
    ("schedule add x y {u} --every 5min", 2, "usage: penstockctl schedule add NAME URL --every TIME|--cron EXPR"),
    ("schedule add x {u} --every 5min --not-before 1h", 2, "--not-before: the schedule says when"),
    ("schedule add x notaurl --every 5min", 2, "url: it is not absolute; write http://HOST/PATH or https://…"),
    ("schedule apply", 2, "usage: penstockctl schedule apply FILE|- [--prune] [--dry-run]"),
    ("schedule apply /nonexistent", 2, "/nonexistent: No such file or directory"),
    ("schedule apply a b", 2, "usage: penstockctl schedule apply FILE|- [--prune] [--dry-run]"),
    ("schedule run", 2, "usage: penstockctl schedule run NAME [--force]"),
    ("schedule run nope", 3, "name: there is no schedule 'nope'"),
    ("schedule run nope --prune", 2, "`schedule run` takes no --prune"),
    ("schedule remove nope", 3, "name: there is no schedule 'nope'"),
    ("schedule list --prune", 2, "`schedule list` takes no --prune"),
    ("schedule list x", 2, "usage: penstockctl schedule list [--failing]"),
    ("top --interval 5m", 2, "--interval: '5m' is not a duration; did you mean 5min?"),
    ("top --interval 0", 2, "--interval: 100ms to 1h are possible"),
    ("top --count 0", 2, "--count: '0' is not a whole number from 1"),
    ("top --count x", 2, "--count: 'x' is not a whole number from 1"),
    ("top --follow", 2, "`top` takes no --follow (see: penstockctl help top)"),
    ("top now", 2, "'now' is too much: penstockctl top"),
    ("stats now", 2, "'now' is too much: penstockctl stats"),
    ("ping pong", 2, "'pong' is too much: penstockctl ping"),
    ("metrics --output", 2, "--output needs a value: --output FILE"),
    ("metrics --output /nonexistent/x.prom", 3, "/nonexistent/x.prom cannot be written: No such file or directory"),
    ("metrics x", 2, "'x' is too much: penstockctl metrics [--output FILE]"),
    ("parsers csv", 2, "'csv' is too much: penstockctl parsers"),
    ("reload now", 2, "'now' is too much: penstockctl reload"),
    ("--socket /nonexistent list", 3, "/nonexistent: no such socket: is penstockd running?"),
    ("--socket /etc/passwd list", 3, "/etc/passwd: nobody listens there any more: is penstockd running?"),
    ("--socket '' list", 2, "--socket: a path is wanted"),
    ("retry --label a", 2, "--label: 'a' is not of the form K=V"),
    ("list --since 'last week'", 2, "--since: 'last week' is no time. Write 2026-11-21 22:30 or 22:30"),
    ("list --since 2026-02-31", 2, "--since: '2026-02-31' is no time. Write 2026-11-21 22:30 or 22:30"),
    ("list --error timeout", 2, "--error: there is no kind 'timeout'"),
    ("list --count 5", 2, "`list` takes no --count (see: penstockctl help list)"),
    ("submit {u} --max-attempts -3", 2, "--max-attempts: '-3' is not a whole number from 1 to 1000"),
    ("submit {u} --retry 3", 2, "there is no option --retry; did you mean --max-attempts?"),
    ("submit {u} --deliver commt", 2, "--deliver: 'commt' is not stream or commit; did you mean commit?"),
    ("submit {u} --unverified acept", 2, "--unverified: 'acept' is not fail or accept; did you mean accept?"),
    ("submit {u} --decode gzp", 2, "--decode: 'gzp' is not auto, gzip, bzip2, xz, zstd or none; did you mean gzip?"),
    ("submit {u} --max-size 5M", 2, "there is no option --max-size; did you mean --max-body?"),
    ("submit {u} --accept-status 100", 2, "--accept-status: '100' is no status; write 404 or 5xx, from 200 on"),
    ("submit {u} --ip 44", 2, "--ip: '44' is not any, 4 or 6"),
    ("schedule add x {u} --tz UTC", 2, "there is no option --tz; did you mean --timezone?"),
    ("schedule ad x {u}", 2, "there is no `schedule ad`; there are apply, add, list, export, run and remove; did you mean add?"),
    ("schedule rm x", 2, "there is no `schedule rm`; there are apply, add, list, export, run and remove; did you mean remove?"),
)

# A configuration, and words of what `penstockd --check` says.
CONFIGURED = (
    ("[parser \"x\"]\ntype = exe\nstage = cat\n", 'there is no parser of the type "exe"; did you mean exec?'),
    ("[parser \"x\"]\ntype = cvs\n", 'there is no parser of the type "cvs"; did you mean csv?'),
    ("[parser \"x\"]\ntype = csv\ndelimeter = ;\n", "a parser's own option is written option.delimiter"),
    ("[parser \"x\"]\ntype = csv\ndelimiter = ;\n", "a parser's own option is written option.delimiter"),
    ("[parser \"x\"]\ntype = csv\noption.delimeter = ;\n", "did you mean delimiter?"),
    ("[parser \"x\"]\ntype = exec\n", "stage is missing"),
    ("[parser \"x\"]\ntype = exec\nstage = cat | wc\n", "stage"),
    ("[parser \"x\"]\ntype = exec\nstage = cat\noutput = jsn\n", "did you mean json?"),
    ("[parser \"x\"]\nisolation = proces\ntype = csv\n", "did you mean process?"),
    ("[deamon]\n", "did you mean daemon?"),
    ("[daemon]\ndrian = 5s\n", "did you mean drain?"),
    ("[daemon]\ndrain = 5m\n", "did you mean 5min?"),
    ("[daemon]\ndrain = 1 hour\n", "did you mean 1h?"),
    ("[defaults]\nmax_body = 10mb\n", "did you mean 10M?"),
    ("[defaults]\nmax_body = 10g\n", "did you mean 10G?"),
    ("[defaults]\ntimeout = 5mins\n", "did you mean 5min?"),
    ("[defaults]\nparser = cvs\n", "there is no parser cvs"),
    ("[defaults]\nmax_atempts = 3\n", "did you mean max_attempts?"),
    ("[defaults]\ndeliver = comit\n", "did you mean commit?"),
    ("[store]\nengine = sqlit\n", "'sqlit' is not sqlite, postgresql or memory"),
    ("[sink \"a\"]\ntype = fiel\npath = /x\n", "did you mean file?"),
    ("[sink \"a\"]\npath = /x\n", "type is missing"),
    ("[sink \"a\"]\ntype = file\n", "path is missing"),
    ("[sink \"a\"]\ntype = stdout\nevents = verdicts\n", "did you mean verdict?"),
    ("[credential \"a\"]\nhosts = example.org\n", "type is missing"),
    ("[credential \"a\"]\ntype = basci\nhosts = example.org\n", "did you mean basic?"),
    ("[host \"example.org\"]\ncredential = nobody\n", 'there is no [credential "nobody"]'),
    ("[host \"example.org\"]\nconections = 2\n", "did you mean connections?"),
    ("drain = 5s\n", "stands before the first [SECTION]"),
    ("[daemon\n", "]"),
)
# What is missing on this machine is a warning.
MISSING = (
    ("[parser \"x\"]\ntype = exec\nstage = /nonexistent/tool --x\n", 'parser "x": stage: /nonexistent/tool: no such program'),
    ("[parser \"x\"]\ntype = exec\nstage = cat\nstage = no-such-tool-here\n", "stage: no-such-tool-here: no such program"),
    ("[credential \"a\"]\ntype = bearer\nhosts = example.org\nsecret_file = /nonexistent/secret\n",
     'credential "a": secret_file: /nonexistent/secret: No such file'),
)


class Mistakes(penstock_test.Case):
    def test_on_the_command_line(self):
        daemon = self.daemon()
        web = self.origin()
        url = web.url("/lines?n=3")
        self.assert_verdict(daemon.job(url), "done")
        for typed, status, words in TYPED:
            with self.subTest(typed=typed):
                arguments = shlex.split(typed.replace("{u}", url))
                socket_given = typed.startswith("--socket")
                command = [penstock_test.BIN / "penstockctl", *([] if socket_given else ["--socket", daemon.socket])]
                done = penstock_test.run(*command, *arguments, cwd=self.dir)
                self.assertEqual(done.returncode, status, done.stderr)
                self.assertTrue(done.stderr.startswith("penstockctl: " + words.replace("{u}", url)), done.stderr)
                self.assertEqual(done.stderr.count("\n"), 1, done.stderr)

    def test_in_the_configuration(self):
        for status, table in ((1, CONFIGURED), (0, MISSING)):
            for config, words in table:
                with self.subTest(config=config):
                    file = self.wrote("penstockd.conf", config)
                    done = penstock_test.run(penstock_test.BIN / "penstockd", "--config", file, "--check", check=status)
                    self.assertIn(words, done.stderr)
                    self.assertEqual("warning: " in done.stderr, status == 0)

    def test_there_are_many(self):
        self.assertGreaterEqual(len(TYPED) + len(CONFIGURED) + len(MISSING), 160)

    def test_an_option_that_is_wrong_for_many_urls_is_told_once(self):
        daemon = self.daemon()
        urls = [f"http://127.0.0.1:9/{i}" for i in range(300)]
        done = daemon.ctl("submit", *urls, "--max-body", "foo", check=2)
        self.assertEqual((done.stdout, done.stderr.count("\n")), ("", 1), done.stderr)
        done = daemon.ctl("submit", "--from", "-", "--parser", "cvs", input="\n".join(urls), check=2)
        self.assertEqual((done.stdout, done.stderr.count("\n")), ("", 1), done.stderr)

    def answer(self, response):
        """The port of a server that says this to whatever comes."""
        listener = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(listener.close)

        def serve():
            while True:
                try:
                    connection = listener.accept()[0]
                except OSError:
                    return
                with connection:
                    connection.recv(65536)
                    connection.sendall(response)

        threading.Thread(target=serve, daemon=True).start()
        return listener.getsockname()[1]

    def test_https_to_a_port_that_speaks_http(self):
        port = self.answer(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
        verdict = self.daemon().job(f"https://127.0.0.1:{port}/", max_attempts=1)
        self.assert_verdict(verdict, "failed", "tls")
        self.assertIn("does not speak TLS; did you mean http://?", verdict["error"]["message"])

    def test_a_page_that_says_404(self):
        page = b"<html>\r\n<head><title>404 Not Found</title></head>\r\n<body>\r\n<center><h1>404 Not Found</h1></center>\r\n"
        port = self.answer(b"HTTP/1.1 404 Not Found\r\nContent-Type: text/html\r\nContent-Length: %d\r\n\r\n%s" % (len(page), page))
        verdict = self.daemon().job(f"http://127.0.0.1:{port}/none", max_attempts=1)
        self.assert_verdict(verdict, "failed", "http_status")
        self.assertTrue(verdict["error"]["message"].endswith(" answered 404: 404 Not Found"), verdict)


if __name__ == "__main__":
    penstock_test.main()
