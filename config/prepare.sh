# Sourced by config/quickstart.sh, tests/run and tests/releases: what they do before their work. Bash; sets `root`.
# shellcheck shell=bash

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)

say() { printf '%s\n' "$*"; }
complain() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }

# The code name of this machine's release: bookworm. Testing and unstable have the same.
release_here() {
    (. /etc/os-release && printf '%s\n' "${VERSION_CODENAME:-}") 2>/dev/null
}

# packages_of USE...: the names that config/packages lists for these uses in this release.
packages_of() {
    local use name rest wanted=" $* " here
    here=$(release_here)
    while read -r use name rest; do
        [[ $use == *@* && ${use#*@} != "$here" ]] && continue
        [[ -n $name && $wanted == *" ${use%@*} "* ]] && printf '%s\n' "$name"
    done < <(sed 's/#.*//' "$root/config/packages") | sort -u
    return 0
}

# packages_missing NAME...: those that are not installed, by one look at dpkg's database.
packages_missing() {
    local -A have=()
    local name status
    while read -r name status; do
        [[ $status == installed ]] && have[$name]=1
    done < <(dpkg-query -W -f '${Package} ${db:Status-Status}\n' "$@" 2>/dev/null)
    for name in "$@"; do
        [[ -v have[$name] ]] || printf '%s\n' "$name"
    done
}

apt_get() {
    DEBIAN_FRONTEND=noninteractive "$@" </dev/null
}

# Package lists may be missing or stale: try, then fetch them and try again.
apt_install() {
    local sudo=()
    [[ $EUID -eq 0 ]] || sudo=(sudo)
    apt_get "${sudo[@]}" apt-get install -y --no-install-recommends "$@" && return 0
    apt_get "${sudo[@]}" apt-get update &&
        apt_get "${sudo[@]}" apt-get install -y --no-install-recommends "$@"
}

# need_packages NAME...: returns 0 with all of them there; otherwise prints the line that installs them,
# and runs it as root or, if a terminal agrees, through sudo. Exits 2 if they stay missing.
need_packages() {
    local missing answer=
    if ! command -v dpkg-query >/dev/null; then
        say "This is not a Debian: the build will name what it misses (config/packages has Debian's names)."
        return 0
    fi
    mapfile -t missing < <(packages_missing "$@")
    [[ ${#missing[@]} -eq 0 ]] && return 0
    say "Missing packages. To install them:"
    say "    apt-get install -y --no-install-recommends ${missing[*]}"
    if [[ $EUID -ne 0 ]]; then
        if ! command -v sudo >/dev/null || [[ ! -t 0 || ! -t 1 ]]; then
            complain "run that line as root, then this again"
            exit 2
        fi
        read -r -p "Run it with sudo now? [y/N] " answer || true
        [[ $answer == [yY]* ]] || exit 2
    fi
    if ! apt_install "${missing[@]}"; then
        complain "the packages could not be installed"
        exit 2
    fi
}

# as_owner COMMAND...: runs it as the clone's owner, so that root leaves no files of root's in a user's
# clone. ccache and compilers want a HOME that is theirs.
as_owner() {
    local uid gid home
    uid=$(stat -c %u "$root")
    gid=$(stat -c %g "$root")
    if [[ $EUID -ne 0 || $uid -eq 0 ]]; then
        "$@"
        return
    fi
    home=$(getent passwd "$uid" | cut -d: -f6)
    setpriv --reuid="$uid" --regid="$gid" --clear-groups \
        env HOME="${home:-/nonexistent}" "$@"
}

# The compiler cache is the caller's, unless that is another user's or has no HOME to be in.
cache_options=()
if command -v ccache >/dev/null; then
    cache_options=(-DCMAKE_C_COMPILER_LAUNCHER=ccache)
    if [[ $EUID -eq 0 && ! -O $root ]] || [[ -z ${CCACHE_DIR:-} && ! -w ${HOME:-/nonexistent} ]]; then
        export CCACHE_DIR=$root/build/ccache
    fi
fi

# cmake_build DIR LOG [OPTION...] [-- TARGET...]: configures and builds; on failure shows what went wrong.
cmake_build() {
    local dir=$1 log=$2 options=() targets=()
    shift 2
    while [[ $# -gt 0 && $1 != -- ]]; do
        options+=("$1")
        shift
    done
    [[ $# -gt 1 ]] && shift && targets=(--target "$@")
    if {
        as_owner cmake -S "$root" -B "$dir" "${cache_options[@]}" "${options[@]}" &&
            as_owner cmake --build "$dir" -j "$(nproc)" "${targets[@]}"
    } >"$log" 2>&1 </dev/null; then
        return 0
    fi
    grep -E -A4 'error:|Error |CMake Error|undefined reference' "$log" | head -n 40 >&2
    complain "the build in $dir failed"
    return 1
}

# Downloads packages as the clone's owner into the current directory, fetching the lists if need be.
apt_download() {
    as_owner apt-get download "$@" && return 0
    [[ $EUID -eq 0 ]] && apt_get apt-get update && as_owner apt-get download "$@"
}

# unpack_packages DIR PACKAGE...: unpacks them there, with those of their libraries that the machine lacks: installing a
# server's package would start the server.
unpack_packages() {
    local dir=$1 deb wanted missing had=' '
    shift
    wanted=("$@")
    as_owner mkdir -p "$dir" && cd "$dir" || return 1
    while [[ ${#wanted[@]} -gt 0 ]]; do
        had+="${wanted[*]} "
        apt_download "${wanted[@]}" || return 1
        missing=()
        for deb in ./*.deb; do
            as_owner dpkg-deb -x "$deb" . || return 1
            mapfile -t -O "${#missing[@]}" missing < <(dpkg-deb -f "$deb" Pre-Depends Depends | sed 's/^[A-Za-z-]*: //' |
                tr ',' '\n' | sed -E 's/[|(:].*//; s/ //g' | grep '^lib' || true)
            rm -f "$deb"
        done
        wanted=()
        [[ ${#missing[@]} -eq 0 ]] || mapfile -t wanted < <(packages_missing "${missing[@]}" | sort -u)
        mapfile -t wanted < <(for deb in "${wanted[@]}"; do [[ $had == *" $deb "* ]] || printf '%s\n' "$deb"; done)
    done
    as_owner touch unpacked
}

# find_server COMMAND [PACKAGE...]: prints the path of a server's program: the installed one, or one from its packages,
# unpacked below build/servers. Fails if there is none to be had.
find_server() {
    local name=$1 dir=$root/build/servers/$1 bin
    shift
    bin=$(PATH=$PATH:/usr/sbin$(printf ':%s' /usr/lib/postgresql/*/bin) command -v "$name") && printf '%s\n' "$bin" && return 0
    [[ -e $dir/unpacked ]] || (unpack_packages "$dir" "${@:-$name}") >/dev/null 2>&1 </dev/null
    # A package that has its program by several names leaves it to its scripts to choose: squid-gnutls.
    for bin in "$dir"/usr/sbin/"$name"-*; do
        [[ ! -x $bin || -e $dir/usr/sbin/$name ]] || as_owner ln -s "${bin##*/}" "$dir/usr/sbin/$name"
    done
    for bin in "$dir"/usr/sbin/"$name" "$dir"/usr/bin/"$name" "$dir"/usr/lib/postgresql/*/bin/"$name"; do
        [[ -e $dir/unpacked && -x $bin ]] && printf '%s\n' "$bin" && return 0
    done
    return 1
}

find_nginx() {
    find_server nginx
}

# The packages of this release's PostgreSQL have its version in their names.
postgresql_packages() {
    local try
    for try in 1 2; do
        apt-cache depends postgresql 2>/dev/null |
            sed -n 's/^ *Depends: postgresql-\([0-9]*\)$/postgresql-\1 postgresql-client-\1/p' | grep . && return 0
        [[ $try == 1 && $EUID -eq 0 ]] && apt_get apt-get update >/dev/null 2>&1
    done
    return 1
}

# find_servers: unpacks what the system tests run beside nginx; complains of what is not to be had.
find_servers() {
    local name packages
    while read -r name packages; do
        # shellcheck disable=SC2086 # a list
        find_server "$name" $packages >/dev/null ||
            say "No $name, and its package cannot be downloaded: tests that need it are skipped."
    done <<END
apache2 apache2-bin
lighttpd lighttpd
haproxy haproxy
varnishd varnish
squid squid squid-common squid-langpack
postgres $(postgresql_packages)
pgbouncer pgbouncer
END
}
