#!/usr/bin/env bash
# The man pages are clean.
cd "$(dirname "$0")/../.." || exit 1
mapfile -t pages < <(find daemon/man -name '*.[1-8]' 2>/dev/null)
[[ ${#pages[@]} -eq 0 ]] && exit 0
command -v mandoc >/dev/null || {
    echo "skip man: there is no mandoc"
    exit 77
}
mandoc -T lint -W warning "${pages[@]}"
