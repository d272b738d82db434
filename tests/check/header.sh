#!/usr/bin/env bash
# The public headers compile by themselves, as C and as C++, with every warning.
cd "$(dirname "$0")/../.." || exit 1
status=0
for header in include/penstock/*.h; do
    for language in "gcc -x c -std=c11" "clang -x c -std=c17" "g++ -x c++ -std=c++11" "clang++ -x c++ -std=c++17"; do
        read -ra compiler <<<"$language"
        command -v "${compiler[0]}" >/dev/null || {
            echo "skip ${compiler[0]}: it is not installed"
            [[ $status -ne 0 ]] || status=77
            continue
        }
        "${compiler[@]}" -Wall -Wextra -Wpedantic -Werror -fsyntax-only -Iinclude -include "$header" /dev/null || {
            echo "$header as $language"
            status=1
        }
    done
done
exit "$status"
