# fish completion of vsluice(1)

# The guests or routes of the vsluice that runs, by the options that say which.
function __vsluice_names
    set -l which $argv[1]
    set -l words (commandline -opc)
    set -l from
    for i in (seq 3 (count $words))
        if contains -- $words[$i] -c --config --admin
            set -a from $words[$i] $words[(math $i + 1)]
        end
    end
    $words[1] $which $from list 2>/dev/null | string replace -r ' .*' '' | tail -n +2
end

function __vsluice_endpoints
    string join \n tcp: unix: vsock: vsock-mux: mux: guest: machine: fd:
end

complete -c vsluice -f
complete -c vsluice -n __fish_use_subcommand -l help -d 'Show the usage'
complete -c vsluice -n __fish_use_subcommand -l version -d 'Show the version'
complete -c vsluice -n __fish_use_subcommand -a run -d 'Relay until told to stop'
complete -c vsluice -n __fish_use_subcommand -a check -d 'Read the configuration, print the routing table'
complete -c vsluice -n __fish_use_subcommand -a connect -d 'Standard input and output to a target'
complete -c vsluice -n __fish_use_subcommand -a guest -d 'The guests of a running vsluice'
complete -c vsluice -n __fish_use_subcommand -a route -d 'The routes of a running vsluice'
complete -c vsluice -n __fish_use_subcommand -a sessions -d 'The sessions of a running vsluice'
complete -c vsluice -n __fish_use_subcommand -a end -d 'End sessions'
complete -c vsluice -n __fish_use_subcommand -a drain -d 'No new sessions of a route'
complete -c vsluice -n __fish_use_subcommand -a top -d 'The routes of a running vsluice, again and again'
complete -c vsluice -n __fish_use_subcommand -a status -d 'What the routes of a running vsluice do'
complete -c vsluice -n __fish_use_subcommand -a reload -d 'A running vsluice reads its configuration anew'
complete -c vsluice -n __fish_use_subcommand -a doctor -d 'What this host offers, and what to do'

# The first word behind the program, of these.
function __vsluice_is
    contains -- (commandline -opc)[2] $argv
end

# The order of the command that is given already, of these; without any: none is given.
function __vsluice_order
    set -l words (commandline -opc)
    set -l given
    for word in $words[3..]
        contains -- $word list freeze thaw add remove; and set given $word
    end
    test (count $argv) = 0; and test -z "$given"; or contains -- "$given" $argv
end

complete -c vsluice -n 'not __fish_use_subcommand; and not __vsluice_is doctor' -s c -l config -r -F \
    -d 'Read this file and its drop-ins'
complete -c vsluice -n '__vsluice_is guest route sessions end drain top status reload' -l admin -r -F \
    -d 'The admin socket of the running vsluice'
complete -c vsluice -n '__vsluice_is connect' -l timeout -x -d 'How long connecting may take'
complete -c vsluice -n '__vsluice_is run check connect' -a '(__vsluice_endpoints)'

complete -c vsluice -n '__vsluice_is guest; and __vsluice_order' \
    -a 'list\t"Show the guests" freeze\t"Hold back new sessions" thaw\t"Let them go on"'
complete -c vsluice -n '__vsluice_is guest' -l end -d 'freeze: end the sessions too'
complete -c vsluice -n '__vsluice_is guest; and __vsluice_order freeze thaw' -a '(__vsluice_names guest)'

complete -c vsluice -n '__vsluice_is route; and __vsluice_order' \
    -a 'list\t"Show the routes" add\t"A route more" remove\t"One that was added"'
complete -c vsluice -n '__vsluice_is route' -s f -l file -r -F -d 'add: the section of a route'
complete -c vsluice -n '__vsluice_is route' -l name -x -d 'add: its name'
complete -c vsluice -n '__vsluice_is route; and __vsluice_order add' -a '(__vsluice_endpoints)'
complete -c vsluice -n '__vsluice_is route; and __vsluice_order remove' -a '(__vsluice_names route)'

complete -c vsluice -n '__vsluice_is drain' -l timeout -x -d 'End the sessions then'
complete -c vsluice -n '__vsluice_is drain' -l wait -d 'Until there are none'
complete -c vsluice -n '__vsluice_is drain' -l undo -d 'Let it go on'
complete -c vsluice -n '__vsluice_is drain' -a '(__vsluice_names route)'

complete -c vsluice -n '__vsluice_is sessions end' -l route -x -a '(__vsluice_names route)' -d 'Of that route'
complete -c vsluice -n '__vsluice_is sessions end' -l guest -x -a '(__vsluice_names guest)' -d 'Of that guest'
complete -c vsluice -n '__vsluice_is sessions' -l limit -x -d 'At most so many'
complete -c vsluice -n '__vsluice_is sessions' -l json -d 'As the admin socket has them'

complete -c vsluice -n '__vsluice_is top' -l interval -x -d 'How often'
complete -c vsluice -n '__vsluice_is top' -l once -d 'And end'
complete -c vsluice -n '__vsluice_is top' -l batch -d 'One below the other'
