# The inner guest of nested.sh: up for a while without the service.
export VSLUICE_LAB=nested
sleep 8
peer serve vsock:any:1000
