#!/usr/bin/env bash
# Nothing is left open in the tree, no C file of the daemon is over 600 lines, every file ends with a newline, no line
# ends with white space, and JSON is read and copied only where it is noticed that memory has ended.
cd "$(dirname "$0")/../.." || exit 1
status=0
sources() {
    find . \( -path ./.git -o -path './build*' \) -prune -o -type f \
        -not -path '*/corpus/*' -not -path '*/__pycache__/*' -not -name '*.pyc' -print0
}
complain() {
    [[ -z $2 ]] && return
    printf '%s:\n%s\n' "$1" "$2"
    status=1
}
complain "Left open" "$(sources | xargs -0 grep -nIwE 'TO''DO|FIX''ME|XX''X|HA''CK')"
complain "White space at the end of a line" "$(sources | xargs -0 grep -nIE '[[:blank:]]+$')"
complain "Over 600 lines" "$(find daemon include -name '*.[ch]' -print0 | xargs -0 wc -l |
    awk '$2 != "total" && $1 > 600')"
complain "JSON that is read without base/json_read.h, or copied" "$(grep -rnE '\bjson_(load[sb]|loadf|deep_copy|copy)\(' \
    daemon --include=*.[ch] | grep -v '^daemon/base/json_read\.c:')"
complain "No newline at the end" "$(sources | xargs -0 perl -0777 -ne 'print "$ARGV\n" if length && !/\n\z/')"
exit "$status"
