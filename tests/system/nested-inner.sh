# The inner guest of nested.sh: up for a while without the service. A session on the other port makes it boot anew.
export VSLUICE_LAB=nested
sleep 8
(peer serve vsock:any:1001 --sessions 1; reboot -f) &
peer serve vsock:any:1000
