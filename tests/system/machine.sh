#!/bin/sh
# CIDs of machines from a real systemd-machined, by varlink and by D-Bus, and sessions with them. Runs in
# tests/lab/uml-systemd --debian trixie, with machine-cid, pass-fd, vsluice and peer in /bin. And systemd's own ssh proxy,
# which speaks to a mux: listener as to a VMM.
[ "$VSLUICE_LAB" = uml-systemd ] || { echo "runs in tests/lab/uml-systemd only" >&2; exit 1; }
failures=0
socket=/run/systemd/machine/io.systemd.Machine

# expect WHAT WANTED COMMAND...: the command prints that
expect() {
    what=$1 wanted=$2
    shift 2
    found=$("$@" 2>&1)
    if [ "$found" = "$wanted" ]; then
        echo "ok: $what"
    else
        echo "FAILED: $what: '$*' printed '$found', not '$wanted'"
        failures=$((failures + 1))
    fi
}

# boot NAME [FIELDS]: a machine that is there as long as a process, $vmm, and what more io.systemd.Machine.Register is told
boot() {
    sleep 1000 &
    vmm=$!
    varlinkctl -q call "$socket" io.systemd.Machine.Register \
        "{\"name\":\"$1\",\"class\":\"vm\",\"leader\":$vmm,\"allocateUnit\":true${2-}}" >/dev/null
}

# What machine-cid prints of a name: by varlink, by the way that is chosen, by D-Bus.
expect "systemd-machined has not run yet; D-Bus starts it" "ENOENT ENXIO ENXIO" machine-cid web1

boot plain
boot db.7-x ',"vSockCid":4294967294'
boot web1 ',"vSockCid":4711'
expect "a machine with a CID" "4711 4711 4711" machine-cid web1
expect "another, one without, none, none with such a name, this machine itself" "4294967294 4294967294 4294967294
ENODATA ENODATA ENODATA
ENXIO ENXIO ENXIO
ENXIO ENXIO ENXIO
1 1 1" machine-cid db.7-x plain web2 "a b/c" .host
expect "not as root" "4711 4711 4711" setpriv --reuid=65534 --clear-groups machine-cid web1

kill "$vmm"
until found=$(machine-cid web1) && [ "$found" != "4711 4711 4711" ]; do :; done
expect "the machine is off" "ENXIO ENXIO ENXIO" machine-cid web1
boot web1 ',"vSockCid":4712'
expect "it runs again, with another CID" "4712 4712 4712" machine-cid web1

# This machine itself has CID 1, over which real sessions go; another is asked for anew by each attempt.
cat >/run/vsluice.conf <<'END'
[guest self]
machine = .host
[guest web1]
machine = web1
[guest web2]
machine = web2
[route self]
listen = tcp:127.0.0.1:8080
target = guest:self:1000
[route web1]
listen = tcp:127.0.0.1:8081
target = guest:web1:1000
[route web2]
listen = tcp:127.0.0.1:8082
target = guest:web2:1000
[route patient]
listen = tcp:127.0.0.1:8083
target = machine:later:1000
wait-for-guest = 8s
wait-for = off
END
cat >>/run/vsluice.conf <<'END'
[route ssh]
listen = mux:/run/v.sock
target = tcp:127.0.0.1:*
ports = 22
END
systemd-socket-activate --inetd -a -l 127.0.0.1:22 cat >/run/cat.log 2>&1 &
cat=$!
export VSLUICE_LAB=uml
peer serve vsock:any:1000 >/run/serve 2>&1 &
vsluice run -c /run/vsluice.conf 2>/run/vsluice.log &
vsluice=$!
until grep -qx ready /run/vsluice.log; do
    kill -0 $vsluice || { cat /run/vsluice.log; exit 1; }
    sleep 0.1
done

# hears PORT PATTERN: a session there ends in error, and the log says how
hears() {
    peer exchange "tcp:127.0.0.1:$1" --bytes 1K --timeout 50 >/run/peer 2>&1 && return 1
    grep -q "ended: $2" /run/vsluice.log && echo heard
}
expect "bytes to the machine and back" heard sh -c \
    'peer exchange tcp:127.0.0.1:8080 --bytes 1M --timeout 50 >/run/peer 2>&1 && echo heard || cat /run/peer'
expect "its CID is tried" heard hears 8081 "guest-off: .* to machine:web1:1000"
expect "no such machine" heard hears 8082 "machine-unknown: .* to machine:web2:1000"
peer exchange tcp:127.0.0.1:8083 --bytes 1K --timeout 100 >/run/patient 2>&1 &
patient=$!
sleep 1
boot later ',"vSockCid":4713'
wait $patient
expect "one waited for a machine, and tried its CID when it came" heard sh -c \
    "grep -q 'ended: guest-off: .* to machine:later:1000' /run/vsluice.log && echo heard"
proxy=/usr/lib/systemd/systemd-ssh-proxy
# That of systemd 257 leaves the line with OK to ssh, which passes over what comes before the other end's name.
expect "systemd-ssh-proxy, at a mux: listener" "OK 22
hello ssh" pass-fd "hello ssh" $proxy vsock-mux/run/v.sock 22
expect "a port that is not listed" heard sh -c \
    "pass-fd x $proxy vsock-mux/run/v.sock 23 2>/dev/null || grep -q 'ended: port-denied: ' /run/vsluice.log && echo heard"
kill $cat
kill $vsluice
wait $vsluice
expect "vsluice ended well" 0 echo $?
[ $failures = 0 ] || cat /run/vsluice.log

mv "$socket" "$socket.away"
expect "no varlink socket, as with an older systemd: D-Bus is asked" "ENOENT 4712 4712" machine-cid web1
mv "$socket.away" "$socket"

# The socket of a systemd-machined that has ended stays. One of systemd 257 that starts again does not know the CIDs any
# more.
systemctl stop systemd-machined
expect "systemd-machined has ended; D-Bus starts it" "ECONNREFUSED ENXIO ENXIO" machine-cid web2
expect "it has forgotten the CID" "ENODATA ENODATA ENODATA" machine-cid web1
systemctl stop systemd-machined
ln -s /dev/null /run/systemd/system/systemd-machined.service
expect "systemd-machined has ended, and must not start" "ECONNREFUSED ECONNREFUSED ENOENT" machine-cid web1
rm -f "$socket"
expect "systemd-machined is not there" "ENOENT ENOENT ENOENT" machine-cid web1

exit $((failures > 0))
