#!/usr/bin/env bash
# No base name twice, so that one that a line of a log, an include or a reader names leads to one file. The programs of
# unit tests are told apart by their layer, in their own names as well: test_fetch.no_memory.
cd "$(dirname "$0")/../.." || exit 1
twice=$(find daemon include tests \( -path 'tests/unit/*/test_*.c' -o -path tests/fuzz/corpus \) -prune -o \
    -type f \( -name '*.[ch]' -o -name '*.py' -o -name '*.sh' \) -printf '%f\n' | sort | uniq -d)
[[ -z $twice ]] && exit
while read -r name; do
    printf '%s: more than one file is called so:\n' "$name"
    find daemon include tests -name "$name" -printf '    %p\n'
done <<<"$twice"
exit 1
