"""The examples of README.md, as printed: each fenced block behind a line `<!-- test: NAME -->`."""
import pathlib
import re

README = pathlib.Path(__file__).resolve().parents[2] / "README.md"
BLOCK = re.compile(r"^<!-- test: (\S+) -->\n```\w*\n(.*?)^```$", re.M | re.S)


def blocks():
    return dict(BLOCK.findall(README.read_text()))
