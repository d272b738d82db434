#!/usr/bin/env bash
# A PostgreSQL cluster of a test's own, on a unix socket in DIR, trusted, with the superuser penstock.
#
#   pg_cluster.sh start DIR [SETTING=VALUE...]   makes it if it is not there, starts it, waits until it answers
#   pg_cluster.sh copy DIR FROM                  makes a standby of the one in FROM, which `start` starts
#   pg_cluster.sh promote DIR                    the standby is one no more; waits for that
#   pg_cluster.sh stop DIR [MODE]                MODE: immediate (default), fast; waits until it has ended
#   pg_cluster.sh watch DIR PID                  removes it once that process has ended, if nobody has until then;
#                                                returns at once
#   pg_cluster.sh remove DIR                     stops it and removes DIR
#   pg_cluster.sh ask DIR SQL                    prints the rows, with tabs between their columns
#
# The server runs as another user where the caller is root, as it refuses to run as that. Exit 77: there is no server.
set -u
: "${PENSTOCK_POSTGRES:=}"

servers=$(dirname "${BASH_SOURCE[0]}")/../../build/servers/postgres # what find_servers of config/prepare.sh unpacks

# That of PENSTOCK_POSTGRES, the newest that is installed, or the unpacked one.
find_bin() {
    local dir
    for dir in "${PENSTOCK_POSTGRES%/*}" $(printf '%s\n' /usr/lib/postgresql/*/bin | sort -V -r) /usr/local/bin /usr/bin \
        "$servers"/usr/lib/postgresql/*/bin; do
        [[ -x $dir/initdb && -x $dir/postgres && -x $dir/psql ]] && (cd "$dir" && pwd -P) && return 0
    done
    return 1
}

# The libraries that came with it; empty: an installed one has its own.
find_libraries() {
    [[ $bin != /usr/* ]] && find "$(cd "$servers" && pwd -P)/usr/lib" -name '*.so*' -printf '%h\n' | sort -u | paste -s -d :
}

as_server() {
    local user=nobody group
    if [[ $EUID -ne 0 ]]; then
        LD_LIBRARY_PATH=$libraries "$@"
        return
    fi
    id postgres >/dev/null 2>&1 && user=postgres
    group=$(id -gn "$user")
    (cd / && exec setpriv --reuid="$user" --regid="$group" --clear-groups env HOME=/ LD_LIBRARY_PATH="$libraries" "$@")
}

start() {
    local setting settings=()
    for setting in "$@"; do
        settings+=("-c $setting")
    done
    mkdir -p "$dir" || return
    if [[ ! -e $dir/data/PG_VERSION ]]; then
        chmod 755 "$dir"
        [[ $EUID -ne 0 ]] || chown "$(id -u postgres 2>/dev/null || id -u nobody)" "$dir"
        as_server "$bin/initdb" -D "$dir/data" -A trust -U penstock --no-sync -E UTF8 --locale=C >"$dir.log" 2>&1 ||
            { cat "$dir.log" >&2; return 1; }
        rm -f "$dir.log"
    fi
    as_server "$bin/pg_ctl" -D "$dir/data" -l "$dir/log" -w -t 60 \
        -o "-c listen_addresses= -c unix_socket_directories='$dir' -c max_connections=50 ${settings[*]}" start \
        >/dev/null || { cat "$dir/log" >&2; return 1; }
}

# Follows where that one's socket is, by the name standby.
copy() {
    mkdir -p "$dir" && chmod 755 "$dir" || return
    [[ $EUID -ne 0 ]] || chown "$(id -u postgres 2>/dev/null || id -u nobody)" "$dir"
    as_server "$bin/pg_basebackup" -D "$dir/data" -d "host=$1 user=penstock application_name=standby" -R -X stream -c fast --no-sync
}

stop() {
    as_server "$bin/pg_ctl" -D "$dir/data" -w -t 60 -m "${1:-immediate}" stop >/dev/null
}

# True while the process is there, and more than a zombie.
lives() {
    grep -q '^State:.[^ZX]' "/proc/$1/status" 2>/dev/null
}

# A test that is killed removes nothing.
watch() {
    while [[ -e $dir/data/PG_VERSION ]] && lives "$1"; do
        sleep 1
    done
    [[ ! -e $dir/data/PG_VERSION ]] || { remove && rm -rf "$dir".gate-*; } # of a test's proxies
}

remove() {
    stop 2>/dev/null
    rm -rf "$dir"
}

what=${1:?start, copy, promote, stop, watch, remove or ask}
dir=${2:?a directory}
shift 2
bin=$(find_bin) || exit 77
libraries=$(find_libraries)
as_server test -x "$bin/initdb" || exit 77 # below a directory that is root's alone
case $what in
start) start "$@" ;;
copy) copy "$@" ;;
promote) as_server "$bin/pg_ctl" -D "$dir/data" -w -t 60 promote >/dev/null ;;
stop) stop "$@" ;;
watch) setsid "$0" watch-here "$dir" "${1:?a process}" </dev/null >/dev/null 2>&1 & ;;
watch-here) watch "$1" ;;
remove) remove ;;
ask) LD_LIBRARY_PATH=$libraries "$bin/psql" -X -q -A -t -F $'\t' -h "$dir" -U penstock -d postgres -c "$1" ;;
*) exit 2 ;;
esac
