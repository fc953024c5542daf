"""What there is: the commands of the programs, their options, and the keys of a configuration, by what they say."""

import os
import pathlib
import re
import subprocess
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAMS = {'vsluice': os.environ['VSLUICE'], 'vsluice-load': os.environ['VSLUICE_LOAD']}
FOLDERS = {'vsluice': 'proxy', 'vsluice-load': 'perf'}
# A sanitizer wants to come first, which here it need not.
ENVIRONMENT = {'PATH': os.environ['PATH'], 'LD_PRELOAD': os.environ['VSLUICE_OPTIONS'],
               'ASAN_OPTIONS': 'verify_asan_link_order=0'}
ALWAYS = {'--help', '--version'}


def table(path, name):
    """The strings that the rows of a table of a source begin with."""
    rows = re.search(r'\b' + name + r'\[\] = \{(.*?)\n\};', (ROOT / path).read_text(), re.S)[1]
    return re.findall(r'\{\s*"([^"]+)"', rows)


def commands(program):
    """Those that have a name of their own."""
    return [word for word in table(f'{FOLDERS[program]}/main.c', 'commands')
            if not word.startswith('-') and word not in ('help', 'version')]


def options(program, command):
    """Of each whether it takes an argument."""
    if (program, command) == ('vsluice-load', 'compare'):
        # It reads them by itself.
        found = re.findall(r'"(--?[a-z][a-z-]*)"', (ROOT / 'perf/compare_command.c').read_text())
        return {option: option == '--max-regression' for option in found}
    done = subprocess.run([PROGRAMS[program], command, '-Z'], env=ENVIRONMENT, capture_output=True, text=True,
                          timeout=60)
    found = dict(line.partition(' ')[::2] for line in done.stdout.split('\n') if line) if done.returncode == 0 else {}
    found = {option: bool(argument) for option, argument in found.items()}
    if program == 'vsluice-load':
        # Each command of it takes them.
        found.update({'-h': False, '--help': False})
    return found


def orders():
    """The second words of `vsluice guest`."""
    return table('proxy/guest.c', 'orders')


def keys(section):
    """Those of a section, as they are told to who gives one that is none."""
    with tempfile.NamedTemporaryFile('w', suffix='.conf') as file:
        file.write(f'{section}\nxxxxxxxxxxxxxxxx = 1\n')
        file.flush()
        said = subprocess.run([PROGRAMS['vsluice'], 'check', '-c', file.name], capture_output=True, text=True,
                              timeout=60).stderr
    return re.split(', | and ', re.search(r'; the keys of \[[^]]*\] are (.*)', said)[1])


def kinds():
    """Of endpoints, as they are told to who gives one that is none."""
    said = subprocess.run([PROGRAMS['vsluice'], 'check', 'nokind:x=unix:/x'], capture_output=True, text=True,
                          timeout=60).stderr
    return re.split(', | and ', re.search(r'; the kinds are (.*)', said)[1])


def words(option):
    """What an option of `vsluice-load run` may be."""
    said = subprocess.run([PROGRAMS['vsluice-load'], 'run', 'unix:/x', f'--{option}', 'xxxxxxxx'], capture_output=True,
                          text=True, timeout=60).stderr
    return re.search(r': give one of (.*)', said)[1].split()
