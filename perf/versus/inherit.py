#!/usr/bin/env python3
"""Starts a program with a listening socket, as systemd does: descriptor 3, LISTEN_FDS, LISTEN_PID.

usage: inherit.py LISTEN PROGRAM [ARGUMENT...]    LISTEN: tcp:HOST:PORT or unix:/PATH
"""
import os
import socket
import sys

FIRST_DESCRIPTOR = 3
BACKLOG = 4096

kind, _, address = sys.argv[1].partition(":")
if kind == "tcp":
    host, _, port = address.rpartition(":")
    listener = socket.socket(socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((host, int(port)))
else:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(address)
listener.listen(BACKLOG)
if listener.fileno() == FIRST_DESCRIPTOR:
    os.set_inheritable(FIRST_DESCRIPTOR, True)
else:
    os.dup2(listener.fileno(), FIRST_DESCRIPTOR, inheritable=True)
os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()))
os.execv(sys.argv[2], sys.argv[2:])
