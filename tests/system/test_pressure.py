"""A reader that never reads slows its writer, and nothing else: not the memory, not the other sessions."""

import unittest

import harness
from harness import KINDS, PAIRS, SANITIZED

FLOOD = 10 << 30
MEMORY = 64 << 20
BULK = '32M' if harness.SLOWNESS == 1 else '8M'
# Other sessions' round trips may take so many times longer than before, or so many microseconds at all (this machine
# has other things to do, too): a proxy that waits for who does not read is stuck for seconds.
SLOWER = 4
UNNOTICED_US = {'p50_us': 1000 * harness.SLOWNESS, 'p99_us': 20000 * harness.SLOWNESS}


class Pressure(harness.TestCase):
    def pace(self, endpoint):
        """The round trips of other sessions: p50 and p99, in microseconds."""
        peer = self.peer('echo', endpoint, '--concurrency', 8, '--every', 0.002, '--seconds', 1)
        return {name: peer.word('echo')[name] for name in UNNOTICED_US}

    def keeps_pace(self, endpoint, before):
        """Soon: who floods has a while of it where a virtual kernel shares this machine with others."""
        for _ in range(8):
            during = self.pace(endpoint)
            if all(during[name] < max(before[name] * SLOWER, UNNOTICED_US[name]) for name in during):
                return during
        return self.fail(f'other sessions lost their pace: {before} -> {during}')

    def comes_to_rest(self, proxy):
        """Soon: what fills the sockets of 500 sessions takes a while, too."""
        for _ in range(8):
            used = proxy.cpu()
            harness.time.sleep(0.5)
            used = proxy.cpu() - used
            if used < 0.1:
                return
        self.fail(f'it spins: {used:.2f} s in 0.5 s')

    def flood(self, initiator, target, sessions, *options):
        """Who sends is blocked, the others keep their pace, and the proxy holds little."""
        server = self.serve(target)
        others = self.serve('unix')
        proxy = self.proxy((initiator, server.endpoint), ('unix', others.endpoint))
        other = list(proxy.routes.values())[1]
        fds = proxy.fds()
        before = self.pace(other)
        peer = self.begin('flood', proxy.endpoint, '--bytes', FLOOD, '--sessions', sessions, '--seconds', 1, '--hold',
                          '--timeout', self.limit, *options, stdin=harness.subprocess.PIPE)
        peer.wait_lines('^flooded', seconds=self.limit)
        during = self.keeps_pace(other, before)
        self.comes_to_rest(proxy)
        memory = proxy.memory()
        print(f'[{initiator} to {target}, {sessions}: {memory >> 20} MiB, p99 {before["p99_us"]:.0f} -> '
              f'{during["p99_us"]:.0f} us]', end=' ', file=harness.sys.stderr)
        self.assertEqual(server.stop(), 0)
        self.assertEqual(peer.word('flooded')['open'], sessions)
        if not SANITIZED:
            self.assertLess(memory, MEMORY)
        peer.popen.stdin.close()
        self.assertEqual(peer.wait(), 0, peer.text)
        proxy.wait_fds(fds)
        proxy.stop()
        return server, peer.word('flooded')

    def flood_up(self, sessions, initiator, target):
        _, flooded = self.flood(initiator, target, sessions)
        self.assertLess(flooded['accepted'], FLOOD)
        self.assertGreater(flooded['still_seconds'], 0.9, 'the writer was never blocked')

    def flood_down(self, sessions, initiator, target):
        server, _ = self.flood(initiator, target, sessions, '--down')
        self.assertLess(server.word('served')['out'], FLOOD)

    def test_target_never_reads(self):
        for pair in PAIRS:
            with self.subTest(pair=pair):
                self.flood_up(1, *pair)

    def test_initiator_never_reads(self):
        for pair in sorted({PAIRS[0], PAIRS[-1]}):
            with self.subTest(pair=pair):
                self.flood_down(1, *pair)

    def test_500_targets_never_read(self):
        self.flood_up(500, KINDS[-1], KINDS[-1])

    def test_500_initiators_never_read(self):
        self.flood_down(500, KINDS[-1], KINDS[-1])

    @unittest.skipIf(SANITIZED, 'a figure of the release build')
    def test_bulk_needs_little_memory(self):
        server = self.serve('tcp', '--sessions', 16)
        proxy = self.proxy(('tcp', server.endpoint))
        self.peer('exchange', proxy.endpoint, '--bytes', BULK, '--sessions', 16)
        self.assertLess(proxy.memory(), MEMORY)
        self.end_well(proxy, server)


if __name__ == '__main__':
    harness.main()
