# What the scripts in the booted machine share. `fail` shows the end of the journal of $units.
fail() {
    echo "failed: $1"
    journalctl -b --no-pager -n 300 $(printf -- '-u %s ' $units)
    exit 1
}

# until_true WHAT COMMAND...: within 60 s.
until_true() {
    what=$1
    end=$(($(date +%s) + 60))
    shift
    until "$@" >/dev/null 2>&1; do
        [ "$(date +%s)" -lt $end ] || fail "$what: $*"
        sleep 0.1
    done
    echo "$what"
}

property() {
    systemctl show --value -p "$2" "$1"
}

says() {
    journalctl -b -o cat --no-pager -u "$1" | grep -qE -- "$2"
}

# carries SERVED DIALLED: 4 MiB each way at once, hashed at both ends.
carries() {
    (umask 0 && exec peer serve "$1" --sessions 1 --timeout 60 >/run/served) &
    server=$!
    until_true "$1 is served" grep -q listening /run/served
    peer exchange "$2" --bytes 4M >/run/exchanged || fail "$2: $(cat /run/exchanged)"
    wait $server || fail "$1: $(cat /run/served)"
    rm /run/served
    echo "$2 reaches $1: $(grep -o 'in=.*:.*out=[^ ]*' /run/exchanged)"
}

# ready_times UNIT COUNT: since the boot.
ready_times() {
    [ "$(journalctl -b -o cat --no-pager -u "$1" | grep -c '^ready$')" = "$2" ]
}

# Of the process $pid.
status_of() {
    sed -n "s/^$1:[[:space:]]*//p" "/proc/$pid/status"
}

# peer knows this place, which has vsock's loopback, by that name.
export VSLUICE_LAB=uml
