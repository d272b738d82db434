#!/usr/bin/env bash
# Builds penstock here and shows it at work: config/quickstart.sh --help
set -u
# shellcheck source=config/prepare.sh
. "$(dirname "${BASH_SOURCE[0]}")/prepare.sh"

usage() {
    cat <<END
usage: config/quickstart.sh [--keep] [--no-install] [URL [PARSER]]

Builds penstock in build/, starts the daemon on a socket in a temporary directory, downloads URL (or a
real file of this machine, from a small HTTP server started here) into PARSER, shows records and the
verdict, and then what happens when a download is cut in half. Leaves nothing behind but build/.

  --keep        leaves the daemon running, and prints how to talk to it and how to stop it
  --no-install  does not look for missing packages

Exit status: of the first download (0 done, 1 failed, 3 refused: a bad URL or parser); 2 usage or missing
packages; 3 also if a server does not start.
END
}

keep='' install=1 url='' parser=''
while [[ $# -gt 0 ]]; do
    case $1 in
    --keep) keep=1 ;;
    --no-install) install= ;;
    -h | --help) usage && exit 0 ;;
    -*) complain "unknown option $1" && usage >&2 && exit 2 ;;
    *)
        if [[ -z $url ]]; then
            url=$1
        elif [[ -z $parser ]]; then
            parser=$1
        else
            usage >&2
            exit 2
        fi
        ;;
    esac
    shift
done

# --- a place and people: everything but build/ is in one directory, everything started here is ended ----
umask 077
dir=$(mktemp -d "${TMPDIR:-/tmp}/penstock.XXXXXX") || exit 3
daemon='' origin=''

# A first SIGTERM lets running jobs end, a second one stops at once.
stop() {
    local pid signal
    for signal in TERM TERM KILL; do
        for pid in $daemon $origin; do
            kill -s "$signal" "$pid" 2>/dev/null
        done
        gone $daemon $origin && break
    done
    wait
    rm -rf -- "$dir"
}

# Have these processes ended, within two seconds?
gone() {
    local try pid left
    for ((try = 0; try < 40; try++)); do
        left=''
        for pid in "$@"; do
            kill -0 "$pid" 2>/dev/null && left=1
        done
        [[ -z $left ]] && return 0
        sleep 0.05
    done
    return 1
}
trap stop EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
trap 'exit 129' HUP

# --- packages, build ------------------------------------------------------------------------------------
if [[ -n $install ]]; then
    mapfile -t packages < <(packages_of build)
    need_packages "${packages[@]}"
fi
say "Building in $root/build …"
cmake_build "$root/build" "$dir/build.log" -- penstockd penstockctl test-origin || exit 3

# As root, the servers run as nobody, from copies where nobody may read them.
bin=$root/build/bin
as=()
if [[ $EUID -eq 0 ]]; then
    as=(setpriv --reuid=nobody --regid=nogroup --clear-groups)
    chown nobody:nogroup "$dir" || exit 3
    if ! "${as[@]}" test -x "$dir"; then
        complain "nobody cannot reach $dir; set TMPDIR to a directory like /tmp"
        exit 3
    fi
    "${as[@]}" test -x "$bin/penstockd" -a -x "$bin/test-origin" || {
        mkdir -m 755 "$dir/bin" &&
            install -m 755 "$bin/penstockd" "$bin/penstockctl" "$bin/test-origin" "$dir/bin" || exit 3
        bin=$dir/bin
    }
fi
export PENSTOCK_SOCKET=$dir/socket PATH=$bin:$PATH

# --- something real to download ---------------------------------------------------------------------------
sample='' sample_parser=''
while read -r sample sample_parser; do
    [[ -r $sample && -s $sample ]] && break
done <<'END'
/usr/share/ieee-data/oui.csv csv
/usr/share/unicode/UnicodeData.txt lines
/usr/share/dict/words lines
/usr/share/perl/5.36.0/unicore/Name.pl lines
/usr/share/common-licenses/GPL-3 lines
/etc/services lines
/etc/passwd lines
END
mkdir -m 755 "$dir/www"
name=${sample##*/}
install -m 644 "$sample" "$dir/www/$name" || exit 3
size=$(stat -c %s "$dir/www/$name")

# --- the origin, on a port of the kernel's choice, and the daemon ---------------------------------------------
mkfifo -m 644 "$dir/base"
setsid "${as[@]}" test-origin --root "$dir/www" </dev/null >"$dir/base" 2>"$dir/origin.err" &
origin=$!
if ! read -r -t 10 base <"$dir/base"; then
    complain "the test origin did not start"
    cat "$dir/origin.err" >&2
    exit 3
fi
rm -f "$dir/base"
sample_url=$base/file/$name
: "${url:=$sample_url}"
[[ $url == "$sample_url" ]] && : "${parser:=$sample_parser}"
: "${parser:=lines}"

# A word as one would type it.
q() {
    printf %q "$1"
}

# Echoes a command, then runs it.
run() {
    printf '\n$ %s\n' "$*"
    eval "$*"
}

log=$dir/penstock.log
settings=(--config /dev/null --set "control.socket=$PENSTOCK_SOCKET" --set store.engine=memory
    --set policy.allow=127.0.0.0/8)
printf '\n$ penstockd%s >%s &\n' "$(printf ' %q' "${settings[@]}")" "$(q "$log")"
setsid "${as[@]}" penstockd "${settings[@]}" </dev/null >"$log" 2>"$dir/penstockd.err" &
daemon=$!
for ((try = 0; try < 200; try++)); do
    penstockctl ping >/dev/null 2>&1 && break
    kill -0 "$daemon" 2>/dev/null || break
    sleep 0.05
done
if ! penstockctl ping >/dev/null; then
    cat "$dir/penstockd.err" >&2
    complain "the daemon did not start"
    exit 3
fi

# --- a whole body ---------------------------------------------------------------------------------------------
run "penstockctl submit $(q "$url") --parser $(q "$parser") --wait"
status=$?
if ((status > 1)); then
    complain "the daemon did not take the job: nothing to show"
    exit "$status"
fi
run "grep -m 3 '\"event\":\"record\"' $(q "$log") | cut -c 1-180"
run "grep '\"event\":\"verdict\"' $(q "$log")"

# --- half a body ------------------------------------------------------------------------------------------------
half="$sample_url?cut=$((size / 2))&etag=none&modified=0"
printf '\nNow %s, with a connection that dies half-way (and no ETag by which to resume it).\n' "$name"
run "wc -l <$(q "$dir/www/$name")"
run "curl -s '$half' | wc -l   # wrong, and nobody is told"
run "penstockctl submit '$half' --parser $sample_parser --max-attempts 1 --wait"
run "tail -n 1 $(q "$log")"

if [[ -n $keep ]]; then
    trap - EXIT
    cat <<END

The daemon is still running (pid $daemon; log: $log). To talk to it:
    export PENSTOCK_SOCKET=$(q "$PENSTOCK_SOCKET") PATH=$(q "$bin"):\$PATH
    penstockctl submit $(q "$sample_url") --parser $sample_parser --follow
    tail -f $(q "$log")
To stop it and remove what is left:
    kill $daemon $origin; rm -rf $(q "$dir")
END
fi
exit "$status"
