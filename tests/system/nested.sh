# In the outer guest, a VM host of its own (run by tests/lab/nested, busybox sh): a guest is off, boots, is up without
# the service, then serves, and is killed. Each time the initiator is closed with a reset and the log says which it is;
# on another route one waits, and is served in the end. Then the VMM is killed under 100 sessions, and comes back.
log=/tmp/log
conf=/tmp/vsluice.conf
failed=0

fail() {
    echo "FAIL: $*"
    failed=1
}

tokens() {
    sed -n 's/^route r session [0-9]*: ended: \([a-z-]*\): .*/\1/p' $log
}

# One session; it must end in a reset. Says what the log calls it.
attempt() {
    peer exchange tcp:127.0.0.1:8080 --bytes 1K --timeout 10 >/tmp/attempt 2>&1 && return 0
    grep -q 'Connection reset by peer' /tmp/attempt || fail "the initiator was not reset: $(cat /tmp/attempt)"
    return 1
}

# Until sessions end otherwise than so; each of them within `connect-timeout`, and in words.
phase() {
    seconds=0
    until tokens | tail -n 1 | grep -qx "$1"; do
        attempt && fail "it connected before it was $1"
        seconds=$((seconds + 1))
        [ $seconds -gt $2 ] && fail "never $1: $(tail -n 1 $log)" && return
        sleep 0.5
    done
    echo "ok: $1: $(tail -n 1 $log)"
}

cat >$conf <<'END'
[guest inner]
address = vsock:3
[route r]
listen = tcp:127.0.0.1:8080
target = guest:inner:1000
connect-timeout = 2s
[route patient]
listen = tcp:127.0.0.1:8081
target = guest:inner:1000
connect-timeout = 2s
wait-for-guest = 5m
[route probed]
listen = tcp:127.0.0.1:8082
target = guest:inner:1000
dead-guest-probe = 2s
[route not-probed]
listen = tcp:127.0.0.1:8083
target = guest:inner:1000
dead-guest-probe = off
[route reboot]
listen = tcp:127.0.0.1:8084
target = guest:inner:1001
END
vsluice run -c $conf 2>$log &
vsluice=$!
until grep -qx ready $log; do
    kill -0 $vsluice || { cat $log; exit 1; }
    sleep 0.1
done
mkfifo /run/nothing
descriptors=$(ls /proc/$vsluice/fd | wc -l)

peer exchange tcp:127.0.0.1:8081 --bytes 1M --timeout 280 >/tmp/patient 2>&1 &
patient=$!
phase guest-off 1
vmm=$(lab-start-inner)
phase guest-booting 60
phase guest-no-service 120
until attempt; do
    sleep 0.5
done
wait $patient || fail "the one that waited for the guest: $(cat /tmp/patient)"
echo 'ok: one waited for the guest through all phases'
order=$(tokens | uniq | tr '\n' ' ')
[ "$order" = 'guest-off guest-booting guest-no-service ' ] || fail "the order was: $order"
for token in guest-off:'no guest with this CID' guest-booting:'does not answer' guest-no-service:'nothing listens'; do
    grep -q "ended: ${token%%:*}: .*${token#*:}" $log || fail "not in words: $token"
done

errors=$(tokens | wc -l)
peer exchange tcp:127.0.0.1:8080 --bytes 16M || fail 'exchange'
peer sessions tcp:127.0.0.1:8080 --sessions 50 --bytes 100K || fail 'sessions'
peer request-answer tcp:127.0.0.1:8080 --bytes 16M || fail 'request-answer'
[ "$(tokens | wc -l)" = "$errors" ] || fail "good sessions ended in error: $(tail -n 3 $log)"

# All that are under way hear within a second that the VMM was killed.
sessions=100
peer exchange tcp:127.0.0.1:8080 --bytes 1000G --sessions $sessions --concurrency $sessions >/tmp/killed 2>&1 &
victims=$!
until [ "$(ls /proc/$vsluice/fd | wc -l)" -ge $((descriptors + 2 * sessions)) ]; do
    kill -0 $victims || { fail "before the VMM was killed: $(head -n 3 /tmp/killed)"; break; }
    sleep 0.1
done
sleep 1
kill -9 $vmm
sleep 1
[ "$(tokens | grep -Ecx 'target-reset|target-gone')" = $sessions ] ||
    fail "a second after the VMM was killed: $(tokens | sort | uniq -c | tr '\n' ' ')"
wait $victims && fail 'the initiators did not hear that the VMM was killed'
[ "$(grep -c 'Connection reset by peer' /tmp/killed)" -ge $sessions ] || fail "the VMM was killed: $(tail -n 3 /tmp/killed)"
echo "ok: killed: $(tail -n 1 $log)"
phase guest-off 5

vmm=$(lab-start-inner --reboots)
seconds=0
until attempt; do
    seconds=$((seconds + 1))
    [ $seconds -gt 120 ] && fail 'the route did not work again' && break
    sleep 0.5
done
echo 'ok: the guest is back'

# A guest that is booted anew under a living VMM resets nothing, and an idle session does not hear of it; the probe asks,
# and the new kernel answers that it knows of no such connection (which reads as an end of file). To one that is alive
# the probe does nothing.
open_files() {
    ls /proc/$vsluice/fd | wc -l
}
for port in 8082 8083; do
    nc 127.0.0.1 $port </run/nothing >/dev/null 2>&1 &
    idle="$idle $!"
done
exec 3>/run/nothing
sleep 6
[ "$(open_files)" = $((descriptors + 4)) ] || fail "idle sessions with a living guest: $(open_files) descriptors"
peer exchange tcp:127.0.0.1:8084 --bytes 1K || fail 'the guest was not told to boot anew'
seconds=0
until [ "$(open_files)" = $((descriptors + 2)) ]; do
    seconds=$((seconds + 1))
    [ $seconds -gt 90 ] && fail 'a session with a guest that was booted anew did not end' && break
    sleep 1
done
echo "ok: booted anew, and noticed after $seconds s"
kill -9 $vmm
seconds=0
until grep -q '^route not-probed session [0-9]*: ended: target-reset: ' $log; do
    seconds=$((seconds + 1))
    [ $seconds -gt 50 ] && fail 'it is not the probe that tells' && break
    sleep 0.2
done
kill $idle 2>/dev/null

[ "$(ls /proc/$vsluice/fd | wc -l)" = "$descriptors" ] || fail 'descriptors are left'
kill $vsluice
wait $vsluice || fail 'vsluice did not end well'
grep -E 'AddressSanitizer|LeakSanitizer|runtime error:' $log && fail 'sanitizer'
[ $failed = 0 ] || cat $log
exit $failed
