#!/usr/bin/env bash
# Shows three daemons that share one queue in PostgreSQL: config/fleet-demo.sh --help
set -u
# shellcheck source=config/prepare.sh
. "$(dirname "${BASH_SOURCE[0]}")/prepare.sh"
# shellcheck source=config/place.sh
. "$root/config/place.sh"

hosts=30 each=10 limit=2

usage() {
    cat <<END
usage: config/fleet-demo.sh [--no-install]

Builds penstock in build/, makes a PostgreSQL cluster in a temporary directory (on a unix socket, as a user
without rights), and starts three daemons that share a queue there. One of them takes $((hosts * each)) URLs over $hosts hosts; in
the middle of it a second one is killed (SIGKILL) and the third one is stopped (SIGSTOP). Prints each URL with
its one verdict, and how many downloads each host saw at once at most. Leaves nothing behind but build/.

  --no-install  does not look for missing packages

Exit status: 0 each URL has one verdict and is done; 1 it is not so; 2 usage or missing packages; 3 if a server
does not start.
END
}

install=1
while [[ $# -gt 0 ]]; do
    case $1 in
    --no-install) install= ;;
    -h | --help) usage && exit 0 ;;
    *) complain "unknown argument $1" && usage >&2 && exit 2 ;;
    esac
    shift
done

stopped=''
before_close() {
    [[ -z $stopped ]] || kill -s CONT "$stopped" 2>/dev/null
    [[ ! -d $place/server ]] || "$cluster" remove "$place/server" >/dev/null 2>&1
}
cluster=$root/tests/support/pg_cluster.sh
place_open

# --- packages, build ------------------------------------------------------------------------------------
if [[ -n $install ]]; then
    mapfile -t packages < <(packages_of build)
    need_packages "${packages[@]}"
fi
# shellcheck disable=SC2046 # a list
if ! PENSTOCK_POSTGRES=$(find_server postgres $(postgresql_packages)); then
    complain "no PostgreSQL server: apt-get install postgresql, or run this where its package can be downloaded"
    exit 2
fi
export PENSTOCK_POSTGRES
say "Building in $root/build …"
cmake_build "$root/build" "$dir/build.log" -- penstockd penstockctl test-origin penstock-postgresql || exit 3
chmod 711 "$dir" # the server's user has a directory in it
place_people

# --- the server, the origin, and three daemons --------------------------------------------------------------
if ! "$cluster" start "$dir/server" 2>"$dir/server.err"; then
    cat "$dir/server.err" >&2
    complain "PostgreSQL did not start"
    exit 3
fi
# shellcheck disable=SC2119 # nothing to tell it
start_origin
port=${base##*:}
settings=(--set store.engine=postgresql --set "store.dsn=host='$dir/server' dbname=postgres user=penstock"
    --set store.lease=5s --set "fetch.host_connections=$limit" --set policy.allow=127.0.0.0/8 --set parse.workers=32)
"${as[@]}" penstockd --config /dev/null "${settings[@]}" --set "store.path=$dir/migrate" --migrate 2>"$dir/migrate.err" || {
    cat "$dir/migrate.err" >&2
    exit 3
}
declare -A member=()
for name in a b c; do
    start_daemon "$dir/$name.socket" "$dir/$name.log" "${settings[@]}" --set "fleet.name=$name" --set "store.path=$dir/$name.db"
    member[$name]=$daemon
done
export PENSTOCK_SOCKET=$dir/a.socket

ask() {
    "$cluster" ask "$dir/server" "$1"
}

# wait_for SECONDS WORDS COMMAND...: until COMMAND prints "yes".
wait_for() {
    local seconds=$1 words=$2 try
    shift 2
    for ((try = 0; try < 10 * seconds; try++)); do
        [[ $("$@") == yes ]] && return 0
        sleep 0.1
    done
    complain "waited in vain for: $words"
    return 1
}
say_if() {
    ask "SELECT CASE WHEN $1 THEN 'yes' END"
}

# members N: "yes" once that many have hosts, and no host is nobody's.
members() {
    penstockctl fleet | awk -v n="$1" '/nobody/ {n = -1} $2 ~ /^[1-9][0-9]*$/ {found++} END {if (found == n) print "yes"}'
}
wait_for 30 "three members with hosts" members 3 || exit 1
printf '\n$ penstockctl fleet\n'
penstockctl fleet

# --- the work, and what goes wrong ----------------------------------------------------------------------------
total=$((hosts * each))
for ((i = 0; i < total; i++)); do
    printf 'http://h%d.localhost:%s/lines?n=%d&drip=50,500&id=h%d\n' $((i % hosts)) "$port" $((300 + i)) $((i % hosts))
done >"$dir/urls"
printf '\n%d URLs over %d hosts, at most %d downloads of a host at once, all given to a. Then b is killed, and c is stopped:\n' \
    "$total" "$hosts" "$limit"
printf '$ penstockctl submit --parser count --from urls\n'
penstockctl submit --parser count --from "$dir/urls" >/dev/null || exit 1
ended="SELECT count(*) FROM penstock.ended"
wait_for 60 "a third of the verdicts" say_if "($ended)>=$total/3" || exit 1
kill -s KILL "${member[b]}"
wait "${member[b]}" 2>/dev/null
stopped=${member[c]}
kill -s STOP "$stopped"
printf '%s verdicts when that happens; all others are due within the lease (5 s) and their own time.\n' "$(ask "$ended")"
wait_for 120 "all verdicts" say_if "($ended)=$total"
kill -s CONT "$stopped"
stopped=''
wait_for 30 "c to join again" members 2
printf '\n$ penstockctl fleet\n'
penstockctl fleet

# --- what came of it --------------------------------------------------------------------------------------------
printf '\nEach URL, how it ended, at which attempt, and at whom:\n'
ask "SELECT v->>'url',v->>'state',v->>'attempt',v->>'by' FROM (SELECT id,verdict::json AS v FROM penstock.ended) e ORDER BY id" >"$dir/verdicts"
cat "$dir/verdicts"
printf '\nDownloads of a host at once, at most (those of the stopped c stay open until it goes on):\n'
curl -s "$base/_stats" | sed 's/"h[0-9]*":/\n&/g' |
    sed -n 's/^"\(h[0-9]*\)":[^}]*"most_open":\([0-9]*\).*/\2 \1/p' | sort -V |
    awk '{by[$1] = by[$1] " " $2} END {for (n in by) print n ":" by[n]}' | sort -n
count=$(cut -f 1 "$dir/verdicts" | sort -u | wc -l)
good=$(awk -F '\t' '$2 == "done"' "$dir/verdicts" | wc -l)
rows=$(wc -l <"$dir/verdicts")
again=$(awk -F '\t' '$3 > 1' "$dir/verdicts" | wc -l)
lines=$(cat "$dir"/[abc].log | grep -c '"event":"verdict"')
revoked=$(cat "$dir"/[abc].log | grep -c '"event":"revoke"')
printf '\n%d URLs, %d verdicts in the store, %d of them done; %d ran a second time. Logs: %d verdict lines, %d attempts revoked.\n' \
    "$count" "$rows" "$good" "$again" "$lines" "$revoked"
[[ $count == "$total" && $rows == "$total" && $good == "$total" ]]
