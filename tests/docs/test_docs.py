"""What the programs take, and what is told of it: man pages, --help and completions; nothing less and nothing more."""

import os
import pty
import re
import select
import shutil
import subprocess
import sys
import tempfile
import time
import unittest

import truth
from truth import ALWAYS, PROGRAMS, ROOT

WORDS_OF_GUEST_LIST = 'GUEST  ADDRESS  SESSIONS  FROZEN  HELD\nweb1  vsock:3  0  no  0\nweb2  vsock:4  1  yes  0\n'


def page(name):
    return (ROOT / 'docs' / f'{name}.scd').read_text()


def plain(text):
    """Without the marks of scdoc."""
    return re.sub(r'\*|(?<!\w)_|_(?!\w)|\\', '', text)


def sections(text):
    """The text below each heading."""
    parts = re.split(r'^# (.*)$', text, flags=re.M)
    return dict(zip(parts[1::2], parts[2::2]))


def defined(text):
    """The options, keys and commands that a paragraph begins with, each with what it may be written as: itself, and the
    letter beside it."""
    lines = [re.findall(r'\*([^*]+)\*', line) for line in re.findall(r'^(\*.*)\n\t', text, flags=re.M)]
    letters = re.compile('-[a-z]')
    return {word: {word, *filter(letters.fullmatch, line)} for line in lines for word in line}


def long_options(text):
    return set(re.findall(r'(?<![\w-])--[a-z][a-z-]+', text))


class Programs(unittest.TestCase):
    """Of both programs, each command and its options."""

    def every(self):
        return [(program, command, truth.options(program, command))
                for program in PROGRAMS for command in truth.commands(program)]

    def test_there_are_options(self):
        """Else all below would say nothing."""
        for program, command, options in self.every():
            if command != 'doctor':
                self.assertTrue(options, (program, command))

    def all_options(self, program):
        return ALWAYS.union(*(truth.options(program, command) for command in truth.commands(program)))

    def synopsis(self, program):
        """The lines of each command."""
        lines = {}
        for line in sections(page(f'{program}.1'))['SYNOPSIS'].replace('++', '').split('\n'):
            words = plain(line).split()
            if words and not words[1].startswith('-'):
                lines[words[1]] = lines.get(words[1], '') + plain(line) + '\n'
        return lines

    def test_man_pages_tell_every_command(self):
        for program in PROGRAMS:
            self.assertEqual(set(self.synopsis(program)), set(truth.commands(program)), program)

    def test_man_pages_tell_every_option(self):
        """In the synopsis of its command or below a heading of its own, and what it does."""
        for program, command, options in self.every():
            text = page(f'{program}.1')
            own = self.synopsis(program)[command] + sections(text).get(command.upper(), '')
            for option in set(options) - {'-h', '--help'}:
                self.assertTrue(option in defined(text), f'{program} {command}: {option} is not explained')
                forms = '|'.join(defined(text)[option])
                self.assertTrue(re.search(rf'(?<![\w-])({forms})(?![\w-])', plain(own)),
                                f'{program} {command}: {option} is not in the synopsis')
            if '-h' in options:
                self.assertTrue('*-h*' in text, program)

    def test_man_pages_tell_of_no_other_option(self):
        known = {program: self.all_options(program) for program in PROGRAMS}
        for program in PROGRAMS:
            text = re.sub(r'(?m)^.*\bcurl\b.*$', '', plain(page(f'{program}.1')))
            self.assertEqual(long_options(text) - known[program], set(), program)
        self.assertEqual(long_options(plain(page('vsluice.conf.5'))) - known['vsluice'], set())
        for program, command, options in self.every():
            self.assertEqual(long_options(self.synopsis(program)[command]) - set(options), set(), (program, command))

    def test_help_tells_all_and_nothing_else(self):
        for program in PROGRAMS:
            text = subprocess.run([PROGRAMS[program], '--help'], capture_output=True, text=True, check=True).stdout
            own = {option for option in self.all_options(program) if option.startswith('--')}
            # `report` and `serve` tell of their own.
            self.assertEqual(own - long_options(text) - {'--output'}, set(), program)
            self.assertEqual(long_options(text) - own, set(), program)
            for command in truth.commands(program):
                self.assertRegex(text, rf'(?m)^(Usage:|      ) {program} {command}\b')

    def test_orders_of_guest(self):
        text = plain(self.synopsis('vsluice')['guest'])
        for order in truth.orders():
            self.assertRegex(text, rf'\b{order}\b')


class Keys(unittest.TestCase):
    def test_every_key_and_no_other_is_in_its_section(self):
        told = sections(page('vsluice.conf.5'))
        for heading in '[global]', '[guest NAME]', '[route NAME]':
            keys = truth.keys(heading)
            self.assertGreater(len(keys), 3)
            lines = re.findall(r'^(\*[a-z*, -]*\*)$', told[heading], flags=re.M)
            self.assertEqual({word for line in lines for word in re.findall(r'\*([^*]+)\*', line)}, set(keys), heading)


class Completion(unittest.TestCase):
    """Of a shell: complete(words) is what it offers for the last one."""

    @classmethod
    def setUpClass(cls):
        if not shutil.which(cls.shell):
            raise unittest.SkipTest(f'needs {cls.shell}')
        cls.dir = tempfile.mkdtemp(prefix='vsl-')
        cls.addClassCleanup(shutil.rmtree, cls.dir)
        # The vsluice of which the guests are asked.
        with open(f'{cls.dir}/vsluice', 'w') as file:
            file.write(f'#!/bin/sh\n[ "$*" = "$(cat {cls.dir}/expected)" ] && cat {cls.dir}/answer\n')
        os.chmod(f'{cls.dir}/vsluice', 0o755)
        cls.environment = {**os.environ, 'PATH': f'{cls.dir}:{os.environ["PATH"]}', 'HOME': cls.dir, 'TERM': 'dumb'}

    def expect(self, asked, answer):
        for name, text in (('expected', asked), ('answer', answer)):
            with open(f'{self.dir}/{name}', 'w') as file:
                file.write(text)


def check(cls):
    """Puts the tests into the class of a shell."""

    def test_commands(self):
        for program in PROGRAMS:
            self.assertEqual(set(self.complete(program, '')) - ALWAYS, set(truth.commands(program)))
            self.assertEqual(set(self.complete(program, '--')), ALWAYS)

    def test_options(self):
        for program in PROGRAMS:
            for command in truth.commands(program):
                with self.subTest(f'{program} {command}'):
                    options = truth.options(program, command)
                    found = set(self.complete(program, command, '-'))
                    self.assertEqual({option for option in found if option.startswith('-')}, set(options))

    def test_orders_and_guests(self):
        self.assertEqual(set(self.complete('vsluice', 'guest', '')), set(truth.orders()))
        self.expect('guest list', WORDS_OF_GUEST_LIST)
        self.assertEqual(set(self.complete('vsluice', 'guest', 'freeze', 'w')), {'web1', 'web2'})
        self.assertEqual(set(self.complete('vsluice', 'guest', 'thaw', '')), {'web1', 'web2'})
        self.expect('guest -c /x.conf list', WORDS_OF_GUEST_LIST)
        self.assertEqual(set(self.complete('vsluice', 'guest', '-c', '/x.conf', 'freeze', '')), {'web1', 'web2'})
        self.assertEqual(set(self.complete('vsluice', 'end', '-c', '/x.conf', '--guest', '')), {'web1', 'web2'})

    def test_orders_and_routes(self):
        self.assertEqual(set(self.complete('vsluice', 'route', '')), {'list', 'add', 'remove'})
        self.expect('route list', 'ROUTE  ORIGIN\nr1  file\nr2  added\n')
        self.assertEqual(set(self.complete('vsluice', 'route', 'remove', '')), {'r1', 'r2'})
        self.assertEqual(set(self.complete('vsluice', 'drain', 'r')), {'r1', 'r2'})
        self.assertEqual(set(self.complete('vsluice', 'sessions', '--route', '')), {'r1', 'r2'})

    def test_files(self):
        path = f'{self.dir}/some.conf'
        open(path, 'w').close()
        for words in (('vsluice', 'run', '-c'), ('vsluice', 'guest', '--admin'), ('vsluice-load', 'run', '--json')):
            found = self.complete(*words, path[:-3])
            self.assertEqual({os.path.basename(word) for word in found}, {'some.conf'}, words)

    def test_words_of_options(self):
        for option in 'mode', 'direction', 'arrival':
            self.assertEqual(set(self.complete('vsluice-load', 'run', f'--{option}', '')), set(truth.words(option)))

    def test_endpoints(self):
        offered = [self.complete('vsluice', command, '') for command in ('run', 'check', 'connect')]
        self.assertEqual({word.rstrip(':') for words in offered for word in words}, set(truth.kinds()))

    for test in (test_commands, test_options, test_orders_and_guests, test_orders_and_routes, test_files,
                 test_words_of_options, test_endpoints):
        setattr(cls, test.__name__, test)
    return cls


@check
class Bash(Completion):
    shell = 'bash'

    def complete(self, *words):
        script = f'''source {ROOT}/completions/{words[0]}.bash
            COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
            $(complete -p {words[0]} | sed 's/.*-F \\([^ ]*\\) .*/\\1/')
            printf '%s\\n' "${{COMPREPLY[@]}}"'''
        done = subprocess.run(['bash', '-uc', script, 'bash', *words], capture_output=True, text=True, timeout=60,
                              env=self.environment)
        self.assertEqual(done.stderr, '')
        return done.stdout.split()


@check
class Fish(Completion):
    shell = 'fish'

    def complete(self, *words):
        line = ' '.join(words)
        script = f'source {ROOT}/completions/{words[0]}.fish; complete -C "{line}"'
        done = subprocess.run(['fish', '--no-config', '-c', script], capture_output=True, text=True, timeout=60,
                              env=self.environment)
        self.assertEqual((done.returncode, done.stderr), (0, ''))
        return [line.split('\t')[0] for line in done.stdout.split('\n') if line]


ZSHRC = '''
unsetopt zle_bracketed_paste; PROMPT=; fpath=(%(folder)s $fpath)
autoload -U compinit && compinit -u -D
setopt no_list_beep no_auto_menu
# What is offered goes to a file.
compadd() {
    if [[ ${@[1,(i)(-|--)]} == *-(O|A|D)\\ * ]]; then builtin compadd "$@"; return; fi
    local -a offered
    builtin compadd -A offered "$@"
    print -rl -- $offered >>%(dir)s/offered
    builtin compadd "$@"
}
tell() {
    zle complete-word
    zle kill-whole-line
    print done >%(dir)s/done
}
zle-line-init() { print begun >%(dir)s/begun }
zle -N tell
zle -N zle-line-init
bindkey '^I' tell
'''


@check
class Zsh(Completion):
    shell = 'zsh'

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        with open(f'{cls.dir}/.zshrc', 'w') as file:
            file.write(ZSHRC % {'folder': ROOT / 'completions', 'dir': cls.dir})
        cls.pid, cls.terminal = pty.fork()
        if cls.pid == 0:
            os.execvpe('zsh', ['zsh', '-o', 'no_global_rcs', '-i'], {**cls.environment, 'ZDOTDIR': cls.dir})
        cls.addClassCleanup(cls.end)
        cls.wait_file('begun')

    @classmethod
    def end(cls):
        os.close(cls.terminal)
        os.waitpid(cls.pid, 0)

    @classmethod
    def wait_file(cls, name):
        """Reads what the shell writes meanwhile."""
        written = b''
        deadline = time.monotonic() + 60
        while not os.path.exists(f'{cls.dir}/{name}'):
            if select.select([cls.terminal], [], [], 0.01)[0]:
                written += os.read(cls.terminal, 10000)
            if time.monotonic() > deadline:
                raise AssertionError(f'no answer of zsh: {written}')

    def complete(self, *words):
        for name in 'offered', 'done':
            if os.path.exists(f'{self.dir}/{name}'):
                os.unlink(f'{self.dir}/{name}')
        os.write(self.terminal, ' '.join(words).encode() + b'\t')
        self.wait_file('done')
        if not os.path.exists(f'{self.dir}/offered'):
            return []
        with open(f'{self.dir}/offered') as file:
            return file.read().split()


def main():
    result = unittest.main(exit=False, verbosity=2).result
    if not result.wasSuccessful():
        sys.exit(1)
    if result.skipped and result.testsRun == 0:
        print('skipped:', *sorted({reason for _, reason in result.skipped}))
        sys.exit(77)


if __name__ == '__main__':
    main()
