# The guest of test_guest.py: the servers on vsock, and the programs that dial the host.
guest-listener-static vsock:any:1001 &
[ ! -e /bin/guest-listener-musl ] || guest-listener-musl vsock:any:1002 &
json-agent vsock:any:1003 &
deadline-agent vsock:any:1004 2 &
# vhost-device-vsock does not answer at all while nobody listens there.
guest-dialer -t 1 -n 100 vsock:host:6001
until json-call vsock:host:6002 '{"command": "echo", "text": "from the guest"}'; do
    sleep 0.3
done
