# The guest of test_guest.py: a target on vsock, vsluice in front of a TCP target, and who dials the host.
export VSLUICE_LAB=guest
peer serve vsock:any:1000 &
peer serve tcp:127.0.0.1:2000 &
vsluice run vsock:any:1001=tcp:127.0.0.1:2000 &
# vhost-device-vsock does not answer at all while nobody listens there.
until peer exchange vsock:host:5432 --bytes 4M --half-close none --timeout 2 >/tmp/dialled 2>&1; do
    sleep 0.3
done
echo "the guest dialled the host: $(cat /tmp/dialled)"
