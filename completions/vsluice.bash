# bash completion of vsluice(1)

# The guests or routes of the vsluice that runs, by the options that say which.
_vsluice_names()
{
    local i from=()

    for ((i = 2; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in
            -c | --config | --admin) from+=("${COMP_WORDS[i]}" "${COMP_WORDS[i + 1]}") ;;
        esac
    done
    "${COMP_WORDS[0]}" "$1" "${from[@]}" list 2>/dev/null | sed '1d; s/ .*//'
}

# Words that are options take no place: which of the others is completed, and what stands before it?
_vsluice_places()
{
    local i

    places=()
    for ((i = 2; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in
            -c | --config | --admin | --timeout | --interval | --limit) ((i++)) ;;
            -f | --file | --name | --route | --guest) ((i++)) ;;
            -*) ;;
            *) places+=("${COMP_WORDS[i]}") ;;
        esac
    done
}

_vsluice()
{
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}
    local options='' words='' places

    COMPREPLY=()
    if ((COMP_CWORD == 1)); then
        words='run check connect guest route sessions end drain status top reload doctor --help --version'
        mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
        return
    fi
    # `:` and `=` part words.
    if [[ $prev == [:=] ]]; then
        prev=${COMP_WORDS[COMP_CWORD - 2]}
    elif [[ $cur == [:=] ]]; then
        cur=
    fi
    case $prev in
        -c | --config | --admin | -f | --file | unix | mux | vsock-mux)
            compopt -o filenames 2>/dev/null
            mapfile -t COMPREPLY < <(compgen -f -- "$cur")
            return
            ;;
        --route | --guest) words=$(_vsluice_names "${prev#--}") ;;
        --timeout | --interval | --limit | --name) return ;;
    esac
    if [[ $prev == --route || $prev == --guest ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
        return
    fi
    _vsluice_places
    case ${COMP_WORDS[1]} in
        run | check) options='-c --config' words='tcp: unix: vsock: vsock-mux: mux: guest: fd:' ;;
        connect) options='-c --config --timeout' words='tcp: unix: vsock: vsock-mux: guest: machine:' ;;
        status | reload) options='-c --config --admin' ;;
        guest)
            options='-c --config --admin --end'
            case ${places[0]-} in
                '') words='list freeze thaw' ;;
                freeze | thaw) [[ ${#places[@]} -gt 1 ]] || words=$(_vsluice_names guest) ;;
            esac
            ;;
        route)
            options='-c --config --admin -f --file --name'
            case ${places[0]-} in
                '') words='list add remove' ;;
                add) words='tcp: unix: vsock: vsock-mux: mux: guest: fd:' ;;
                remove) [[ ${#places[@]} -gt 1 ]] || words=$(_vsluice_names route) ;;
            esac
            ;;
        drain)
            options='-c --config --admin --timeout --wait --undo'
            [[ ${#places[@]} -gt 0 ]] || words=$(_vsluice_names route)
            ;;
        sessions) options='-c --config --admin --route --guest --limit --json' ;;
        end) options='-c --config --admin --route --guest' ;;
        top) options='-c --config --admin --interval --once --batch' ;;
    esac
    if [[ $cur == -* ]]; then
        words=$options
    elif [[ $words == *: ]]; then
        compopt -o nospace 2>/dev/null
    fi
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
}

complete -F _vsluice vsluice
