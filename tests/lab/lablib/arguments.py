"""What the command lines of all rungs have in common: `[OPTIONS] -- PROGRAM [ARGS...]`, and --help from the file's header."""

import os
import signal
import sys


class Options:
    def __init__(self):
        self.command = []
        self.installs = []
        self.env = {}


def usage(header):
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    print(header.strip())
    sys.exit(0)


def fail(text):
    print(f"{os.path.basename(sys.argv[0])}: {text} (see --help)", file=sys.stderr)
    sys.exit(64)


def split_install(text):
    """FILE:DEST -> (absolute FILE, DEST)"""
    source, colon, destination = text.rpartition(":")
    if not colon or not destination.startswith("/"):
        fail(f"--install takes FILE:/DEST, not {text!r}")
    if not os.path.exists(source):
        fail(f"--install: {source}: no such file")
    return os.path.abspath(source), destination


def _seconds(text):
    try:
        value = float(text)
    except ValueError:
        value = 0
    if value <= 0:
        fail(f"--deadline takes a number of seconds above 0, not {text!r}")
    return value


def parse(header, argv, flags=("--verbose",), **known):
    """known: option name (dashes as underscores) -> default. A list default collects repeated FILE:DEST pairs.

    Common to all: --deadline, --env NAME=VALUE (or NAME: as it is here), --verbose, --help.
    """
    options = Options()
    options.deadline = None
    options.verbose = False
    for name, default in known.items():
        setattr(options, name, list(default) if isinstance(default, list) else default)
    words = list(argv)
    while words:
        word = words.pop(0)
        if word == "--":
            break
        if word in ("-h", "--help"):
            usage(header)
        if word in flags:
            setattr(options, word[2:].replace("-", "_"), True)
            continue
        option, equals, value = word.partition("=")
        name = option[2:].replace("-", "_")
        if not option.startswith("--") or name not in (*known, "deadline", "env"):
            fail(f"unknown option {word!r}" if word.startswith("-") else f"`--` is missing before {word!r}")
        if not equals:
            if not words:
                fail(f"{option} takes a value")
            value = words.pop(0)
        if name == "deadline":
            options.deadline = _seconds(value)
        elif name == "env":
            key, given, text = value.partition("=")
            if given:
                options.env[key] = text
            elif key in os.environ:
                options.env[key] = os.environ[key]
        elif isinstance(known[name], list):
            getattr(options, name).append(split_install(value))
        else:
            setattr(options, name, value)
    options.command = words
    if not words:
        fail("no program is given after `--`")
    return options
