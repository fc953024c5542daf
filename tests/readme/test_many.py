"""README's "Many guests, one route": the file as printed, read by `vsluice check`. What such routes do is tried by tests/system."""

import os
import subprocess
import sys
import tempfile

import blocks

VSLUICE = os.environ['VSLUICE']
ROUTES = {'ssh', 'ssh@web1', 'ssh@db1', 'mux-web1', 'ports'}

with tempfile.NamedTemporaryFile('w', suffix='.conf') as file:
    file.write(blocks.blocks()['many'])
    file.flush()
    done = subprocess.run([VSLUICE, 'check', '-c', file.name], capture_output=True, text=True, timeout=60)
print(done.stdout, done.stderr)
rows = {line.split()[0] for line in done.stdout.splitlines()[1:]}
sys.exit(0 if done.returncode == 0 and rows == ROUTES else f'the routes are {rows}')
