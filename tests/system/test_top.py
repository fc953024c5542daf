"""`vsluice top`: what it draws on a terminal, and prints elsewhere."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios

import harness
from harness import SLOWNESS, UNAVAILABLE, VSLUICE, wait_until
from operated import Operated, take


class Screen:
    """A terminal of so many columns and rows, and a program on it: what it draws, as far as `top` uses a terminal."""

    def __init__(self, test, argv, columns, rows):
        self.master, slave = pty.openpty()
        test.addCleanup(os.close, self.master)
        self.resize(columns, rows)
        self.before = termios.tcgetattr(slave)
        self.slave = slave
        test.addCleanup(os.close, slave)
        self.raw = b''
        environment = {**os.environ, 'TERM': 'xterm'}
        self.popen = subprocess.Popen(argv, stdin=slave, stdout=slave, stderr=slave, env=environment,
                                      start_new_session=True, preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
        test.addCleanup(self.popen.wait)
        test.addCleanup(self.popen.kill)

    def resize(self, columns, rows):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack('HHHH', rows, columns, 0, 0))
        self.columns, self.rows = columns, rows

    def read(self, seconds=0.05):
        while select.select([self.master], [], [], seconds)[0]:
            try:
                part = os.read(self.master, 1 << 16)
            except OSError:
                return
            if not part:
                return
            self.raw += part

    def frames(self):
        """The lines of each whole frame, without their colours."""
        self.read()
        return [re.sub(r'\x1b\[[0-9;?]*[A-Za-z]', '', frame).replace('\r', '').split('\n')
                for frame in self.raw.decode().split('\x1b[H')[1:] if '\x1b[J' in frame]

    def wait(self, condition, what, seconds=10, seen=None):
        """A frame for which the condition holds, that comes from here on, or after so many."""
        seen = len(self.frames()) if seen is None else seen
        wait_until(lambda: any(map(condition, self.frames()[seen:])), seconds, lambda: f'{what}: {self.frames()[-1:]}')
        return next(filter(condition, self.frames()[seen:]))

    def key(self, key):
        os.write(self.master, key.encode())

    def restored(self):
        self.read()
        return self.raw.endswith(b'\x1b[?25h\x1b[?1049l') and termios.tcgetattr(self.slave) == self.before


class Top(Operated):
    def screen(self, columns=100, rows=24, interval='200ms'):
        screen = Screen(self, [VSLUICE, 'top', '--admin', self.admin, '--interval', interval], columns, rows)
        wait_until(screen.frames, 10, 'nothing was drawn')
        self.assertTrue(screen.raw.startswith(b'\x1b[?1049h'))
        return screen

    def test_it_draws_what_there_is_on_any_screen(self):
        ends = [self.open() for _ in range(30)]
        self.command('route', 'add', '--name', 'idle', f'tcp:127.0.0.1:0={self.target}')
        self.command('drain', 'idle')
        screen = self.screen()
        frame = screen.wait(lambda frame: frame[1].startswith('30 sessions, '), 'the sessions')
        self.assertEqual(len(frame), 24)
        self.assertRegex(frame[0], r'^vsluice \S+, \S+, 2 workers  \d\d:\d\d:\d\d$')
        self.assertEqual(frame[3].split(), ['ROUTE', 'SESSIONS', 'NEW/s', 'ERRORS/s', 'THERE/s', 'BACK/s'])
        self.assertEqual([line.split()[0] for line in frame[4:6]], ['web', 'idle'])
        self.assertTrue(frame[5].endswith('drained'))
        self.assertEqual([line.split()[0] for line in frame[7:10]], ['SESSION', '30', '29'])
        for columns, rows in ((40, 10), (200, 60), (10, 3), (1, 1), (100, 24)):
            screen.resize(columns, rows)
            frame = screen.wait(lambda frame: len(frame) <= rows and max(map(len, frame)) <= columns, f'{columns} x {rows}')
            if rows >= 10:
                self.assertEqual(len(frame), min(rows, 3 + 3 + 1 + 31 + 1))
        seen = len(screen.frames())
        ends[4][0].sendall(bytes(1000000))
        take(ends[4][1], 1000000)
        frame = screen.wait(lambda frame: frame[8].split()[0] == '5', 'the busiest first', seen=seen)
        self.assertRegex(frame[8], r'^ +5  web .* relaying  tcp:127')
        self.assertRegex(frame[1], r', [0-9.]+[MK]/s there, ')
        screen.key('o')
        screen.wait(lambda frame: frame[8].split()[0] == '1' and 'first (oldest)' in frame[-1], 'the oldest first')
        screen.key('q')
        self.assertEqual(screen.popen.wait(10 * SLOWNESS), 0)
        self.assertTrue(screen.restored())
        self.end()

    def test_it_gives_the_terminal_back_however_it_ends(self):
        for ending in ('q', '\x03', signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            screen = self.screen(interval='1h')
            if isinstance(ending, str):
                screen.key(ending)
            else:
                screen.popen.send_signal(ending)
            self.assertEqual(screen.popen.wait(10 * SLOWNESS), 0)
            self.assertTrue(screen.restored(), ending)
        self.end()

    def test_it_waits_for_one_that_starts_again(self):
        screen = self.screen()
        self.vsluice.stop()
        screen.wait(lambda frame: 'no such socket' in frame[2], 'what is wrong')
        self.vsluice = self.start(harness.Proxy([VSLUICE, 'run', '-c', self.conf])).wait_ready()
        screen.wait(lambda frame: frame[2] == '' and 'NEW/s' in frame[3], 'it is there again')
        screen.key('q')
        self.assertEqual(screen.popen.wait(10 * SLOWNESS), 0)
        self.end()

    def test_plain_frames_where_there_is_no_terminal(self):
        ends = [self.open() for _ in range(25)]
        once = self.command('top', '--once', '--interval', '100ms').splitlines()
        self.assertTrue(once[1].startswith('25 sessions, 0.0 new/s'), once)
        self.assertNotIn('\x1b', ''.join(once))
        self.assertEqual([line.split()[0] for line in once[7:]], [str(n) for n in range(25, 5, -1)])
        frames = subprocess.Popen([VSLUICE, 'top', '--admin', self.admin, '--interval', '100ms'], text=True,
                                  stdout=subprocess.PIPE)
        self.addCleanup(frames.stdout.close)
        self.addCleanup(frames.kill)
        heads = 0
        while heads < 3:
            heads += frames.stdout.readline().startswith('vsluice ')
        frames.terminate()
        self.assertEqual(frames.wait(10 * SLOWNESS), 0)
        self.assertEqual(len(ends), 25)
        self.vsluice.signal(signal.SIGKILL)
        self.vsluice.wait()
        self.command('top', '--once', status=UNAVAILABLE)


if __name__ == '__main__':
    harness.main()
