"""The examples of README.md, as printed: each fenced block behind a line `<!-- test: NAME -->`, and what one prints,
behind `<!-- output: NAME -->`."""
import pathlib
import re

README = pathlib.Path(__file__).resolve().parents[2] / "README.md"
BLOCK = re.compile(r"^<!-- (test|output): (\S+) -->\n```\w*\n(.*?)^```$", re.M | re.S)


def blocks(kind="test"):
    return {name: text for its_kind, name, text in BLOCK.findall(README.read_text()) if its_kind == kind}
