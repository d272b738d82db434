#!/usr/bin/env bash
# What a module takes of penstockd, penstockd exports: each module of the build is compared with the program.
cd "$(dirname "$0")/../.." || exit 1
build=$(dirname "${PENSTOCK_BIN:-build/bin}")
nm=${PENSTOCK_NM:-nm}
shopt -s nullglob
modules=("$build"/modules/*.so)
[[ ${#modules[@]} -gt 0 && -x $build/bin/penstockd ]] || {
    echo "skip: no module is built"
    exit 77
}
status=0
exported=$("$nm" -D --defined-only "$build/bin/penstockd" | awk '{print $NF}' | sed 's/@.*//' | sort -u)
for module in "${modules[@]}"; do
    # A library's symbols have that library's version behind them, or are found in it by name.
    libraries=$(ldd "$module" | awk '$3 ~ /^\// {print $3}')
    # shellcheck disable=SC2086 # a list of paths
    mapfile -t missing < <(comm -23 \
        <("$nm" -D --undefined-only "$module" | awk '$1 == "U" && $2 !~ /@/ {print $2}' | sort -u) \
        <({ printf '%s\n' "$exported" && "$nm" -D --defined-only $libraries | awk '{print $NF}' | sed 's/@.*//'; } | sort -u))
    [[ ${#missing[@]} -eq 0 ]] && continue
    printf '%s\n' "${missing[@]/#/${module##*/}: penstockd does not export (daemon/store/module.list) }"
    status=1
done
exit "$status"
