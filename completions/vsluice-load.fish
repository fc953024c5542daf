# fish completion of vsluice-load(1)

complete -c vsluice-load -f
complete -c vsluice-load -n __fish_use_subcommand -l help -d 'Show the usage'
complete -c vsluice-load -n __fish_use_subcommand -l version -d 'Show the version'
complete -c vsluice-load -n __fish_use_subcommand -a serve -d 'Answer what each connection asks for'
complete -c vsluice-load -n __fish_use_subcommand -a run -d 'Make load, and measure'
complete -c vsluice-load -n __fish_use_subcommand -a compare -d 'Tell whether runs differ'
complete -c vsluice-load -n __fish_use_subcommand -a report -d 'Draw runs on a page'

complete -c vsluice-load -n '__fish_seen_subcommand_from serve run compare report' -s h -l help -d 'Show the usage'
complete -c vsluice-load -n '__fish_seen_subcommand_from serve run' -a 'tcp: unix: vsock: vsock-mux:'
complete -c vsluice-load -n '__fish_seen_subcommand_from compare report' -F

complete -c vsluice-load -n '__fish_seen_subcommand_from serve' -l threads -x -d 'Threads that accept and answer'
complete -c vsluice-load -n '__fish_seen_subcommand_from serve' -l stall-after -x -d 'Sleep once, when this has passed'
complete -c vsluice-load -n '__fish_seen_subcommand_from serve' -l stall -x -d 'Sleep once, for so long'

complete -c vsluice-load -n '__fish_seen_subcommand_from run' -l mode -x -a 'stream rr crr churn idle' -d 'What is done, and counted'
complete -c vsluice-load -n '__fish_seen_subcommand_from run' -l connections -x -d 'At once'
complete -c vsluice-load -n '__fish_seen_subcommand_from run' -l threads -x -d 'Generators'
complete -c vsluice-load -n '__fish_seen_subcommand_from run' -l duration -x -d 'The measured time'
complete -c vsluice-load -n '__fish_seen_subcommand_from run' -l warmup -x -d 'Before it, not counted'
complete -c vsluice-load -n '__fish_seen_subcommand_from run' -l direction -x -a 'up down both' -d 'Of a stream'
complete -c vsluice-load -n '__fish_seen_subcommand_from run' -l size -x -d 'Of a write of a stream'
complete -c vsluice-load -n '__fish_seen_subcommand_from run' -l request -x -d 'Its size'
complete -c vsluice-load -n '__fish_seen_subcommand_from run' -l response -x -d 'Its size'
complete -c vsluice-load -n '__fish_seen_subcommand_from run' -l depth -x -d 'Requests in flight on a connection'
complete -c vsluice-load -n '__fish_seen_subcommand_from run' -l rate -x -d 'Open loop: so many a second'
complete -c vsluice-load -n '__fish_seen_subcommand_from run' -l arrival -x -a 'constant poisson' -d 'Of an open loop'
complete -c vsluice-load -n '__fish_seen_subcommand_from run' -l seed -x -d 'Of the bytes and of poisson arrivals'
complete -c vsluice-load -n '__fish_seen_subcommand_from run' -l verify -d 'Check every byte'
complete -c vsluice-load -n '__fish_seen_subcommand_from run' -l json -r -F -d 'The result, whole'
complete -c vsluice-load -n '__fish_seen_subcommand_from run' -l hgrm -r -F -d 'Latency by percentile'
complete -c vsluice-load -n '__fish_seen_subcommand_from run' -l label -x -d 'Names the run'
complete -c vsluice-load -n '__fish_seen_subcommand_from run' -l progress -d 'A line a second'

complete -c vsluice-load -n '__fish_seen_subcommand_from compare' -l max-regression -x -d 'Fail where it is worse by so many per cent'
complete -c vsluice-load -n '__fish_seen_subcommand_from compare' -l allow-invalid -d 'Take invalid runs too'
complete -c vsluice-load -n '__fish_seen_subcommand_from report' -s o -l output -r -F -d 'The page'
