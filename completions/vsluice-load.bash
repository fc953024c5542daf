# bash completion of vsluice-load(1)

_vsluice_load()
{
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}
    local options='' words=''

    COMPREPLY=()
    if [[ $prev == = ]]; then
        prev=${COMP_WORDS[COMP_CWORD - 2]}
    elif [[ $cur == = ]]; then
        cur=
    fi
    case ${COMP_WORDS[1]}:$prev in
        run:--mode) words='stream rr crr churn idle' ;;
        run:--direction) words='up down both' ;;
        run:--arrival) words='constant poisson' ;;
        run:--json | run:--hgrm | report:-o | report:--output)
            compopt -o filenames 2>/dev/null
            mapfile -t COMPREPLY < <(compgen -f -- "$cur")
            return
            ;;
        run:--verify | run:--progress | compare:--allow-invalid | *:--help) ;;
        *:--*) return ;;
    esac
    if ((COMP_CWORD == 1)); then
        words='serve run compare report --help --version'
    elif [[ ! $words ]]; then
        case ${COMP_WORDS[1]} in
            serve) options='--threads --stall-after --stall' ;;
            run)
                options='--mode --connections --threads --duration --warmup --direction --size --request --response'
                options+=' --depth --rate --arrival --seed --verify --json --hgrm --label --progress'
                ;;
            compare) options='--max-regression --allow-invalid' ;;
            report) options='-o --output' ;;
            *) return ;;
        esac
        options+=' -h --help'
        words='tcp: unix: vsock: vsock-mux:'
        if [[ $cur == -* ]]; then
            words=$options
        elif [[ ${COMP_WORDS[1]} == compare || ${COMP_WORDS[1]} == report ]]; then
            compopt -o filenames 2>/dev/null
            mapfile -t COMPREPLY < <(compgen -f -- "$cur")
            return
        else
            compopt -o nospace 2>/dev/null
        fi
    fi
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
}

complete -F _vsluice_load vsluice-load
