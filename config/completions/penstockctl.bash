# Completion of penstockctl's command line.
# shellcheck shell=bash

_penstockctl_words() {
    local word
    COMPREPLY=()
    while IFS= read -r word; do
        COMPREPLY+=("$word")
    done < <(compgen -W "$1" -- "$2")
}

_penstockctl_files() {
    local file
    COMPREPLY=()
    compopt -o filenames 2>/dev/null
    while IFS= read -r file; do
        COMPREPLY+=("$file")
    done < <(compgen -f -- "$1")
}

# Asks the daemon, if it answers at once.
_penstockctl_parsers() {
    timeout 1 penstockctl parsers 2>/dev/null | awk 'NR > 1 && /^[^ ]/ { print $1 }'
}

_penstockctl_schedules() {
    timeout 1 penstockctl schedule list 2>/dev/null | awk 'NR > 1 { print $1 }'
}

# The values of option $1 that begin with $2; fails if it takes none.
_penstockctl_value() {
    case $1 in
    --socket | --from | --body | --output) _penstockctl_files "$2" ;;
    --state) _penstockctl_words "queued waiting running done failed cancelled" "$2" ;;
    --events) _penstockctl_words "start record attempt verdict stop" "$2" ;;
    --error)
        _penstockctl_words "policy dns connect connect_timeout tls protocol redirects http_status
            first_byte_timeout stalled truncated unverified_end job_timeout parser_failed parser_timeout
            parser_crashed exec_failed decode_error digest_mismatch limit_exceeded unexpected resources
            internal proxy" "$2"
        ;;
    --method) _penstockctl_words "GET POST" "$2" ;;
    --deliver) _penstockctl_words "stream commit" "$2" ;;
    --unverified) _penstockctl_words "fail accept" "$2" ;;
    --keep-body) _penstockctl_words "never failed" "$2" ;;
    --decode) _penstockctl_words "auto gzip bzip2 xz zstd none" "$2" ;;
    --compress | --allow-downgrade) _penstockctl_words "yes no" "$2" ;;
    --ip) _penstockctl_words "any 4 6" "$2" ;;
    --charset) _penstockctl_words "utf-8 windows-1252 windows-1251 iso-8859-15 shift_jis euc-jp gb18030 big5 euc-kr utf-16" "$2" ;;
    --charset-errors) _penstockctl_words "fail replace" "$2" ;;
    --digest-headers) _penstockctl_words "verify ignore" "$2" ;;
    --digest) _penstockctl_words "sha256" "$2" ;;
    --parser) _penstockctl_words "$(_penstockctl_parsers)" "$2" ;;
    --jitter) _penstockctl_words "none" "$2" ;;
    --schedule) _penstockctl_words "$(_penstockctl_schedules)" "$2" ;;
    --limit | --interval | --count | --every | --cron | --timezone | --option | --label | --credential | --header | --accept-status | --expect-type | --min-bytes | \
        --min-records | --max-attempts | --max-body | --max-decoded | --commit-max | --max-redirects | --timeout | --connect-timeout | \
        --first-byte-timeout | --stall-timeout | --parse-timeout | --user-agent | --priority | --not-before | \
        --key | --host | --since) COMPREPLY=() ;;
    *) return 1 ;;
    esac
}

_penstockctl() {
    local commands="run submit list show explain wait follow cancel retry ping top stats metrics parsers pause resume reload schedule"
    local everywhere="--socket --json --help --version"
    local job="--parser --option --label --credential --header --method --body --deliver --digest --unverified
        --accept-status --expect-type --min-bytes --min-records --max-attempts --max-body --max-redirects
        --timeout --connect-timeout --first-byte-timeout --stall-timeout --parse-timeout --user-agent
        --priority --not-before --key --keep-body --decode --max-decoded --compress
        --commit-max --ip --digest-headers --allow-downgrade --charset --charset-errors"
    local select="--state --error --label --schedule --host --parser --since"
    local stream="--events --data"
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} command="" i

    # --option=value comes as three words.
    if [[ $cur == "=" ]]; then
        _penstockctl_value "$prev" ""
        return
    fi
    if [[ $prev == "=" ]]; then
        _penstockctl_value "${COMP_WORDS[COMP_CWORD - 2]}" "$cur"
        return
    fi
    _penstockctl_value "$prev" "$cur" && return
    for ((i = 1; i < COMP_CWORD; i++)); do
        case " $commands " in
        *" ${COMP_WORDS[i]} "*)
            command=${COMP_WORDS[i]}
            break
            ;;
        esac
    done
    case $command in
    "") _penstockctl_words "$commands $everywhere" "$cur" ;;
    run) # there is no parser of the daemon's
        local option own=""
        for option in $job; do
            case $option in
            --parser | --option | --deliver | --min-records | --keep-body | --commit-max | --charset | --charset-errors) ;;
            *) own+=" $option" ;;
            esac
        done
        _penstockctl_words "$own --trailer --grace --foreground $everywhere --" "$cur"
        ;;
    pause | resume)
        case $prev in
        schedule) _penstockctl_words "$(_penstockctl_schedules)" "$cur" ;;
        parser) _penstockctl_words "$(_penstockctl_parsers)" "$cur" ;;
        *) _penstockctl_words "all host parser schedule $everywhere" "$cur" ;;
        esac
        ;;
    schedule)
        case $prev in
        schedule) _penstockctl_words "apply add list run remove $everywhere" "$cur" ;;
        apply) _penstockctl_files "$cur" ;;
        run | remove) _penstockctl_words "$(_penstockctl_schedules)" "$cur" ;;
        *) _penstockctl_words "--prune --dry-run --failing --force --every --cron --timezone --jitter $job $everywhere" "$cur" ;;
        esac
        ;;
    submit) _penstockctl_words "--from --wait --follow $stream $job $everywhere" "$cur" ;;
    top) _penstockctl_words "--interval --count $everywhere" "$cur" ;;
    list) _penstockctl_words "--limit $select $everywhere" "$cur" ;;
    follow) _penstockctl_words "$stream $select $everywhere" "$cur" ;;
    metrics) _penstockctl_words "--output $everywhere" "$cur" ;;
    cancel | retry) _penstockctl_words "$select $everywhere" "$cur" ;;
    *) _penstockctl_words "$everywhere" "$cur" ;;
    esac
}

complete -F _penstockctl penstockctl
