#!/usr/bin/env bash
# Every C file is as clang-format 14 and .clang-format have it; other versions format otherwise.
cd "$(dirname "$0")/../.." || exit 1
tool=$(command -v clang-format-14 || command -v clang-format)
if [[ -z $tool ]] || ! "$tool" --version | grep -q 'version 14\.'; then
    echo "skip format: there is no clang-format 14"
    exit 77
fi
find daemon include tests -name '*.[ch]' -print0 | xargs -0 -n 20 "$tool" --dry-run --Werror
