# Completion of penstockctl's command line: the client itself knows what can stand next.

function __penstockctl_complete
    set -l words (commandline -opc)
    set -l typed (commandline -ct)
    set -l program $words[1]
    set -e words[1]
    set -l lines ($program __complete $words "$typed" 2>/dev/null)
    set -l directive $lines[-1]
    set -e lines[-1]
    switch "$directive"
        case ':files'
            set -l lead (string match -r -- '^--[a-z-]+=' $typed)
            for file in (__fish_complete_path (string replace -r -- '^--[a-z-]+=' '' $typed))
                echo "$lead$file"
            end
        case ':command*'
            # The words behind `--` are another command line.
            set -l first (math (string replace ':command ' '' -- $directive) + 1)
            set -l rest $words[$first..-1]
            test (count $words) -lt $first; and set rest
            complete -C (string join ' ' -- (string escape -- $rest) "$typed")
        case '*'
            printf '%s\n' $lines
    end
end

complete -c penstockctl -f -k -a '(__penstockctl_complete)'
