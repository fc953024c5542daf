# The guest of test_guest_ssh.py: an ssh server, put on vsock by vsluice. root has an empty password. The window of
# 1 MiB halves the processor time of what ssh sends in.
export VSLUICE_LAB=guest
mkdir -p /etc/dropbear /root
echo root::0:0:root:/root:/bin/sh >/etc/passwd
echo /bin/sh >/etc/shells
dropbear -R -E -B -W 1048576 -p 127.0.0.1:22
vsluice run vsock:any:22=tcp:127.0.0.1:22
