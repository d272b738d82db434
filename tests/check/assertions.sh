#!/usr/bin/env bash
# Assertions are on in this build, whatever its type: the daemon refers to what a failed one calls.
${PENSTOCK_NM:-nm} -D -u "${PENSTOCK_BIN:-$(dirname "$0")/../../build/bin}/penstockd" | grep -w __assert_fail
