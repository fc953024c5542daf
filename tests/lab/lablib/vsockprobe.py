"""A program of 175 bytes that tells whether AF_VSOCK loopback is there: exits 0 where bind() to CID 1 succeeds, else with its errno.

Made here, byte by byte, as it must run in kernels where nothing else that knows AF_VSOCK may be at hand (and a Python that starts
there costs half a second).
"""

import os
import struct

CODE = bytes.fromhex(
    "6a29 58"           # push 41; pop rax           socket
    "6a28 5f"           # push 40; pop rdi           AF_VSOCK
    "6a01 5e"           # push 1; pop rsi            SOCK_STREAM
    "31d2 0f05"         # xor edx, edx; syscall
    "89c7"              # mov edi, eax
    "6a31 58"           # push 49; pop rax           bind
    "488d350e000000"    # lea rsi, [rip + 14]        the address below
    "6a10 5a 0f05"      # push 16; pop rdx; syscall
    "89c7 f7df"         # mov edi, eax; neg edi
    "6a3c 58 0f05"      # push 60; pop rax; syscall  exit(errno)
    "2800 0000 ffffffff 01000000 00000000"  # struct sockaddr_vm: AF_VSOCK, VMADDR_PORT_ANY, VMADDR_CID_LOCAL
)


def write(path):
    base, headers = 0x400000, 64 + 56
    size = headers + len(CODE)
    elf = struct.pack("<16sHHIQQQIHHHHHH", b"\x7fELF\2\1\1", 2, 62, 1, base + headers, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, base, base, size, size, 4096)
    with open(path, "wb") as file:
        file.write(elf + segment + CODE)
    os.chmod(path, 0o755)
