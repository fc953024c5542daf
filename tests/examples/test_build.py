"""The commands of examples/README.md, as printed, in a copy of the folder, against libvsock as it is installed; and
what they built runs.

VSLUICE_BUILD: the build folder, with everything built that is installed.
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys

import examples
import harness

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = os.environ.get('VSLUICE_BUILD')
BLOCK = re.compile(r'^<!-- test: (\S+) -->\n```sh\n(.*?)^```$', re.M | re.S)


class Build(examples.ExampleCase):
    limit = 120

    def setUp(self):
        super().setUp()
        self.tree = pathlib.Path(self.dir, 'tree')
        shutil.copytree(ROOT / 'examples', self.tree / 'examples')
        self.environment = {**os.environ, **self.install(pathlib.Path(self.dir, 'root'))}

    def install(self, root):
        """Where the installed libvsock is, for pkg-config and for the dynamic linker."""
        subprocess.run(['meson', 'install', '-C', BUILD, '--no-rebuild', '--quiet', '--destdir', root], check=True)
        folder = next(root.rglob('libvsock.pc')).parent
        return {'PKG_CONFIG_PATH': str(folder), 'PKG_CONFIG_SYSROOT_DIR': str(root),
                'LD_LIBRARY_PATH': str(folder.parent)}

    def block(self, name):
        """Runs its commands."""
        text = dict(BLOCK.findall((self.tree / 'examples' / 'README.md').read_text()))[name]
        done = subprocess.run(['sh', '-ec', text], cwd=self.tree / 'examples', env=self.environment,
                              capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stdout + done.stderr), (0, ''))

    def begin_built(self, name, *arguments):
        path = self.tree / 'examples' / name
        return self.start(harness.Process([path, *arguments], name, env=self.environment))

    def exchange(self, server, client, *requests):
        endpoint = f'unix:{self.name()}'
        self.begin_built(server, endpoint).wait_lines('^listening on ')
        process = self.begin_built(client, endpoint, *requests)
        self.assertEqual(process.wait(10), 0, process.text)

    def test_installed(self):
        self.block('installed')
        self.exchange('guest-listener', 'guest-dialer')
        self.exchange('json-agent', 'json-call', examples.PING)
        self.begin_built('deadline-agent', f'unix:{self.name()}').wait_lines('^listening on ')

    def test_static(self):
        self.block('installed')
        self.block('static')
        self.exchange('guest-listener-static', 'guest-dialer')

    def test_musl(self):
        if not shutil.which('musl-gcc'):
            self.skipTest('no musl-gcc (musl-tools)')
        shutil.copytree(ROOT / 'vsock', self.tree / 'vsock')
        self.block('installed')
        self.block('musl')
        self.exchange('guest-listener-musl', 'guest-dialer')


if __name__ == '__main__':
    if not BUILD:
        print('skipped: no build folder: VSLUICE_BUILD')
        sys.exit(77)
    harness.main()
