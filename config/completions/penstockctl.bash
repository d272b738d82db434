# Completion of penstockctl's command line: the client itself knows what can stand next.
# shellcheck shell=bash

_penstockctl() {
    local words=() word last=${COMP_WORDS[COMP_CWORD]} i line directive=":none"
    # bash takes --option=value and what has a colon for several words.
    for ((i = 1; i <= COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        if [[ ${#words[@]} -gt 0 && ($word == [=:]* || ${words[-1]} == *[=:]) ]]; then
            words[-1]+=$word
        else
            words+=("$word")
        fi
    done
    [[ $last == [=:] ]] && last=""
    local whole=${words[-1]} lead
    lead=${whole%"$last"}
    COMPREPLY=()
    while IFS= read -r line; do
        case $line in
        :*) directive=$line ;;
        *)
            word=${line%%$'\t'*}
            COMPREPLY+=("${word#"$lead"}")
            ;;
        esac
    done < <("${COMP_WORDS[0]}" __complete "${words[@]}" 2>/dev/null)
    case $directive in
    :files)
        compopt -o filenames 2>/dev/null
        while IFS= read -r line; do
            COMPREPLY+=("$line")
        done < <(compgen -f -- "$last")
        ;;
    :command*)
        # What stands behind `--` is another command line.
        for ((i = 1; i < COMP_CWORD; i++)); do
            [[ ${COMP_WORDS[i]} == -- ]] && break
        done
        if declare -F _command_offset >/dev/null; then
            _command_offset $((i + 1))
        elif ((i + 1 == COMP_CWORD)); then
            mapfile -t COMPREPLY < <(compgen -c -- "$last")
        else
            compopt -o default 2>/dev/null
        fi
        ;;
    esac
    if [[ ${#COMPREPLY[@]} -eq 1 && (${COMPREPLY[0]} == *= || ${COMPREPLY[0]} == *,) ]]; then
        compopt -o nospace 2>/dev/null
    fi
    compopt -o nosort 2>/dev/null
}

complete -F _penstockctl penstockctl
