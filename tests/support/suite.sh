# Sourced by tests/run and tests/releases, after config/prepare.sh: one build and its tests after the other, and their
# results in one directory, where tests/summary.py looks.
# shellcheck shell=bash

results='' own_results='' child=''

# suite_begin [DIR]: where results go; without DIR a directory of its own, removed at the end.
suite_begin() {
    results=${1:-}
    if [[ -z $results ]]; then
        results=$(mktemp -d "${TMPDIR:-/tmp}/penstock-tests.XXXXXX") || exit 1
        own_results=$results
    fi
    trap suite_end EXIT
    trap 'exit 129' HUP
    trap 'exit 130' INT
    trap 'exit 143' TERM
    export ASAN_OPTIONS=detect_leaks=1:abort_on_error=0:detect_stack_use_after_return=1
    export UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
    # shellcheck disable=SC2154 # root is config/prepare.sh's
    export TSAN_OPTIONS="halt_on_error=1:second_deadlock_stack=1:suppressions='$root/tests/support/tsan.supp'"
    unset PENSTOCK_SOCKET
}

suite_end() {
    [[ -z $child ]] || { kill -s "$child_signal" "$child" && wait "$child"; } 2>/dev/null
    [[ -z $own_results ]] || rm -rf -- "$own_results"
}

# suite_wait SIGNAL COMMAND...: runs it; the signal ends it if this script is ended meanwhile.
suite_wait() {
    child_signal=$1
    setpriv --pdeathsig "$child_signal" "${@:2}" </dev/null &
    child=$!
    wait "$child"
    local status=$?
    child=''
    return "$status"
}

# suite_broken NAME WHAT: something failed that is no test.
suite_broken() {
    printf '%s\n' "$2" >>"$results/$1.broken"
}

# suite_build NAME DIR OPTION...
suite_build() {
    local name=$1 dir=$2
    shift 2
    say "== the $name build, in $dir"
    cmake_build "$dir" "$results/$name.log" -DPENSTOCK_WERROR=ON "$@" && return 0
    suite_broken "$name" "the $name build"
    return 1
}

# suite_test NAME DIR [OPTION...]: ctest's options. $suite_preload: what stands before each test's C library.
suite_test() {
    local name=$1 dir=$2
    shift 2
    if [[ -z ${PENSTOCK_NGINX:-} ]]; then
        PENSTOCK_NGINX=$(find_nginx) ||
            say "No nginx, and its package cannot be downloaded: tests that need it are skipped."
        export PENSTOCK_NGINX
        find_servers
    fi
    # A processor has four slots: tests/CMakeLists.txt says how many a test takes.
    env ${suite_preload:+"LD_PRELOAD=$suite_preload"} \
        ctest --test-dir "$dir" -j "$((4 * $(nproc)))" --output-on-failure --output-junit "$results/$name.xml" --no-tests=ignore \
        --test-output-size-passed 10000000 --test-output-size-failed 10000000 "$@" </dev/null
    # 8: tests failed, which the summary counts one by one.
    [[ $? -eq 0 || $? -eq 8 ]] || suite_broken "$name" "ctest of the $name build"
}

# The build that users make, and that packages are made of.
# shellcheck disable=SC2034 # for those who source this
plain=(-DCMAKE_BUILD_TYPE=RelWithDebInfo -DCMAKE_INSTALL_PREFIX=/usr)
