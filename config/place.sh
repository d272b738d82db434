# Sourced by config/quickstart.sh and config/fleet-demo.sh, after prepare.sh: a directory for all that they make, and
# processes that end with them. Bash; sets `dir`, `place`, `bin`, `as`, `base`.
# shellcheck shell=bash disable=SC2034,SC2154 # names of prepare.sh's and of the callers

started=() # processes of ours

# place_open: makes `dir`. When the script ends, however it does, what was started is ended, and `dir` removed; a function
# `before_close` of the caller's runs before that.
place_open() {
    umask 077
    dir=$(mktemp -d "${TMPDIR:-/tmp}/penstock.XXXXXX") || exit 3
    place=$dir # a trap meets the names of the function that it interrupts, and `dir` is one of cmake_build's
    trap place_close EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
    trap 'exit 129' HUP
}

# A first SIGTERM lets running jobs end, a second one stops at once.
place_close() {
    local pid signal
    ! declare -F before_close >/dev/null || before_close
    for signal in TERM TERM KILL; do
        for pid in "${started[@]}"; do
            kill -s "$signal" "$pid" 2>/dev/null
        done
        gone "${started[@]}" && break
    done
    wait 2>/dev/null
    rm -rf -- "$place"
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

# place_people: as root, servers run as nobody, from copies where nobody may not read the clone. Puts the programs on PATH.
place_people() {
    bin=$root/build/bin
    as=()
    if [[ $EUID -eq 0 ]]; then
        as=(setpriv --reuid=nobody --regid=nogroup --clear-groups)
        chown nobody:nogroup "$dir" || exit 3
        if ! "${as[@]}" test -x "$dir"; then
            complain "nobody cannot reach $dir; set TMPDIR to a directory like /tmp"
            exit 3
        fi
        if ! "${as[@]}" test -x "$bin/penstockd" -a -x "$bin/test-origin"; then
            mkdir -m 755 "$dir/bin" "$dir/modules" &&
                install -m 755 "$bin/penstockd" "$bin/penstockctl" "$bin/test-origin" "$dir/bin" || exit 3
            install -m 755 "$root"/build/modules/*.so "$dir/modules" 2>/dev/null
            bin=$dir/bin
        fi
    fi
    export PATH=$bin:$PATH
}

# start_origin ARGUMENT...: the test origin, on a port of the kernel's choice; `base` is its URL.
start_origin() {
    mkfifo -m 644 "$dir/base"
    setsid "${as[@]}" test-origin "$@" </dev/null >"$dir/base" 2>"$dir/origin.err" &
    started+=($!)
    if ! read -r -t 10 base <"$dir/base"; then
        complain "the test origin did not start"
        cat "$dir/origin.err" >&2
        exit 3
    fi
    rm -f "$dir/base"
}

# start_daemon SOCKET LOG ARGUMENT...: penstockd, and waits until it answers; what it says goes to LOG.err. `daemon` is its
# process.
start_daemon() {
    local socket=$1 log=$2 try
    shift 2
    setsid "${as[@]}" penstockd --config /dev/null --set "control.socket=$socket" "$@" </dev/null >"$log" 2>"$log.err" &
    daemon=$!
    started+=("$daemon")
    for ((try = 0; try < 200; try++)); do
        penstockctl --socket "$socket" ping >/dev/null 2>&1 && return 0
        kill -0 "$daemon" 2>/dev/null || break
        sleep 0.05
    done
    penstockctl --socket "$socket" ping >/dev/null && return 0
    cat "$log.err" >&2
    complain "the daemon did not start"
    exit 3
}
