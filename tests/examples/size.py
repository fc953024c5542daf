"""Static programs are one file below 1 MiB, stripped, and need nothing. Usage: size.py PROGRAM..."""

import os
import subprocess
import sys
import tempfile

BYTES_MAX = 1 << 20


def stripped_bytes(program):
    with tempfile.NamedTemporaryFile() as copy:
        subprocess.run(['strip', '-o', copy.name, program], check=True)
        return os.path.getsize(copy.name)


def needs(program):
    """What the kernel's or the dynamic linker's headers name."""
    text = subprocess.run(['readelf', '-l', '-d', program], check=True, capture_output=True, text=True).stdout
    return [line.strip() for line in text.splitlines() if 'INTERP' in line or 'NEEDED' in line]


def main():
    programs = sys.argv[1:]
    bad = False
    for program in programs:
        count, needed = stripped_bytes(program), needs(program)
        print(f'{os.path.basename(program)}: {count} bytes stripped', *needed)
        bad = bad or count >= BYTES_MAX or bool(needed)
    if not programs:
        print('skipped: no static program was built: a sanitized build, or a libc without libc.a')
        return 77
    return 1 if bad else 0


if __name__ == '__main__':
    sys.exit(main())
