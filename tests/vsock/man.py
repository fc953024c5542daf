#!/usr/bin/env python3
"""Fails when the pages of libvsock and its header are not of one mind, or an example does not compile.

usage: man.py ROOT CC...    CC: a C compiler, and its own arguments
"""
import pathlib
import re
import subprocess
import sys

ROW_TEST = re.compile(r"`(\w+/\w+)`")
FRAGMENT = """
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <vsock.h>
void serve(struct vsock_conn *conn);
"""


class Interface:
    """What C text declares: functions, structs and constants, each by its name and without regard to white space."""

    def __init__(self, text):
        text = re.sub(r"/\*.*?\*/", "", text, flags=re.S)
        text = re.sub(r"VSOCK_AT_LEAST\(((?:[^()]|\([^()]*\))*)\)", r"\1", text)
        self.constants = {name: " ".join(value.split())
                          for name, value in re.findall(r"^#define\s+(VSOCK_\w+) +(.+)$", text, re.M)}
        text = re.sub(r"^#.*$", "", text, flags=re.M)
        self.structs = {name: words(members) for name, members in re.findall(r"struct (\w+)\s*\{(.*?)\};", text, re.S)}
        text = re.sub(r"struct \w+\s*\{.*?\};", "", text, flags=re.S)
        prototypes = re.findall(r"([\w\s*]*?)\b(vsock_\w+)\(([^()]*)\);", text)
        self.functions = {name: (words(result), words(arguments)) for result, name, arguments in prototypes}
        self.names = [name for _, name, _ in prototypes]


def words(text):
    return re.findall(r"\w+|[^\w\s]", text)


class Page:
    def __init__(self, path):
        self.name = path.name.removesuffix(".3.scd")
        self.text = path.read_text()
        self.sections = dict(re.findall(r"^# ([^\n]+)\n(.*?)(?=^# |\Z)", self.text, re.M | re.S))
        self.literals = re.findall(r"^```\n(.*?)^```$", self.text, re.M | re.S)
        self.interface = Interface("\n".join(self.literals_of("SYNOPSIS")))
        self.listed = re.findall(r"\bvsock_\w+", self.sections["NAME"].split(" - ")[0])

    def literals_of(self, section):
        return re.findall(r"^```\n(.*?)^```$", self.sections.get(section, ""), re.M | re.S)

    def examples(self):
        return [text.replace("\\\\", "\\") for text in self.literals_of("EXAMPLE")]


def declared_elsewhere(header, groups, kind):
    """Every name of the header stands in the synopsis of one page, as in the header, and nothing else does."""
    wanted = getattr(header, kind)
    found = {}
    for page in groups:
        for name, shape in getattr(page.interface, kind).items():
            found.setdefault(name, []).append(page.name)
            if name not in wanted:
                yield f"{page.name}(3): {name} is not in vsock.h"
            elif shape != wanted[name]:
                yield f"{page.name}(3): {name} is not as in vsock.h"
    for name in wanted:
        pages = found.get(name, [])
        if len(pages) != 1:
            yield f"{name} is in the synopses of {', '.join(pages) or 'no page'}: one is wanted"


def page_mistakes(page, names):
    functions = page.interface.names
    if sorted(page.listed) != sorted(functions):
        yield f"{page.name}(3): NAME and SYNOPSIS differ: {sorted(set(page.listed) ^ set(functions))}"
    for name in functions:
        if f"*{name}*()" not in page.text:
            yield f"{page.name}(3): {name}() is not told of"
    for section in ("DESCRIPTION", "SEE ALSO") if page.name == "libvsock" else ("RETURN VALUE", "THREADS", "SEE ALSO"):
        if section not in page.sections:
            yield f"{page.name}(3): no section {section}"
    for name in re.findall(r"\*((?:lib)?vsock\w*)\*\(3\)", page.text):
        if name not in names:
            yield f"{page.name}(3): there is no {name}(3)"
    for text in page.literals:
        if re.search(r"\\", text.replace("\\\\", "")):
            yield f"{page.name}(3): scdoc eats a single backslash in a literal block"


def installed_mistakes(root, pages):
    text = (root / "docs" / "meson.build").read_text()
    installed = {page: re.findall(r"'(\w+)'", functions)
                 for page, functions in re.findall(r"'(\w+)': \[(.*?)\]", text, re.S)}
    for page in pages:
        wanted = sorted(name for name in page.interface.names if name != page.name)
        if sorted(installed.get(page.name, ["?"])) != wanted:
            yield f"docs/meson.build: the functions of {page.name} are {wanted}"


def migration_mistakes(root, header):
    text = (root / "docs" / "libvsock.md").read_text()
    sources = "\n".join(path.read_text() for path in (root / "tests").rglob("*.c"))
    tests = {"/".join(names) for names in re.findall(r"^(?:Parameterized)?Test\((\w+), (\w+)", sources, re.M)}
    for name in header.functions:
        if not re.search(rf"\b{name}\b", text):
            yield f"docs/libvsock.md: nothing of {name}()"
    rows = [line.strip("|").split("|") for line in text.splitlines() if line.startswith("| ")][1:]
    if len(rows) < 25:
        yield "docs/libvsock.md: no table"
    for row in rows:
        named = ROW_TEST.findall(row[-1])
        if not named:
            yield f"docs/libvsock.md: no test of {row[0].strip()}"
        for name in named:
            if name not in tests:
                yield f"docs/libvsock.md: there is no test {name}"


def compiles(root, compiler, name, text):
    if "int main(" not in text:
        text = FRAGMENT + (text if re.search(r"^static ", text, re.M) else f"void example(void)\n{{\n{text}\n}}\n")
    warnings = ["-Wall", "-Wextra", "-Werror", "-Wno-unused-function", "-Wno-unused-variable"]
    arguments = compiler + ["-fsyntax-only", "-std=gnu11", *warnings, f"-I{root / 'vsock'}", "-xc", "-"]
    done = subprocess.run(arguments, input=text, text=True, stderr=subprocess.PIPE)
    if done.returncode != 0:
        yield f"{name}: an example does not compile:\n{done.stderr}"


def example_mistakes(root, compiler, pages):
    examples = [(f"{page.name}(3)", text) for page in pages for text in page.examples()]
    for name in ("README.md", "docs/libvsock.md"):
        examples += [(name, text) for text in re.findall(r"^```c\n(.*?)^```$", (root / name).read_text(), re.M | re.S)]
    if sum("int main(" in text for _, text in examples) < 3:
        yield "too few programs among the examples"
    for name, text in examples:
        yield from compiles(root, compiler, name, text)


def mistakes(root, compiler):
    header = Interface((root / "vsock" / "vsock.h").read_text())
    if len(header.functions) < 40:
        yield f"vsock.h: only {len(header.functions)} functions were found"
    pages = [Page(path) for path in sorted((root / "docs").glob("*vsock*.3.scd"))]
    names = {page.name for page in pages} | set(header.functions)
    for kind in ("functions", "structs", "constants"):
        yield from declared_elsewhere(header, pages, kind)
    for page in pages:
        yield from page_mistakes(page, names)
    yield from installed_mistakes(root, pages)
    yield from migration_mistakes(root, header)
    yield from example_mistakes(root, compiler, pages)


def main():
    found = list(mistakes(pathlib.Path(sys.argv[1]), sys.argv[2:]))
    print("\n".join(found) or "the pages of libvsock and vsock.h agree")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
