#!/usr/bin/env bash
# The shell scripts parse, and shellcheck finds nothing in them.
cd "$(dirname "$0")/../.." || exit 1
status=0
while IFS= read -r file; do
    case $(head -n 1 "$file") in
    '#!/bin/sh'*) sh -n "$file" || status=1 ;;
    *) bash -n "$file" || status=1 ;;
    esac
    [[ ${file##*/} != *.sh && ! -x $file ]] || scripts+=("$file")
done < <(grep -lE '^#!.*(/| )(sh|bash)$|^# shellcheck shell=bash' -r config tests .ci systemd --include='*' \
    --exclude-dir=corpus)
if command -v shellcheck >/dev/null; then
    shellcheck -x --severity=warning "${scripts[@]}" || status=1
    exit "$status"
fi
echo "skip shellcheck: it is not installed"
[[ $status -ne 0 ]] || exit 77
exit "$status"
