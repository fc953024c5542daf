# The guest of test_guest.py: a server of load on vsock.
export VSLUICE_LAB=guest
vsluice-load serve vsock:any:1000 --threads 2
