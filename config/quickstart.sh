#!/usr/bin/env bash
# Builds penstock here and shows it at work: config/quickstart.sh --help
set -u
# shellcheck source=config/prepare.sh
. "$(dirname "${BASH_SOURCE[0]}")/prepare.sh"
# shellcheck source=config/place.sh
. "$root/config/place.sh"

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

place_open # everything but build/ is in it

# --- packages, build ------------------------------------------------------------------------------------
if [[ -n $install ]]; then
    mapfile -t packages < <(packages_of build)
    need_packages "${packages[@]}"
fi
say "Building in $root/build …"
cmake_build "$root/build" "$dir/build.log" -- penstockd penstockctl test-origin || exit 3

place_people
export PENSTOCK_SOCKET=$dir/socket

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
start_origin --root "$dir/www"
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
settings=(--set store.engine=memory --set policy.allow=127.0.0.0/8)
printf '\n$ penstockd --config /dev/null --set control.socket=%q%s >%q &\n' "$PENSTOCK_SOCKET" \
    "$(printf ' %q' "${settings[@]}")" "$log"
start_daemon "$PENSTOCK_SOCKET" "$log" "${settings[@]}"

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
    kill ${started[*]}; rm -rf $(q "$dir")
END
fi
exit "$status"
