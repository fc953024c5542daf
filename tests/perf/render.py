#!/usr/bin/env python3
"""Renders the report of made-up runs in headless Chromium, 1280 and 400 pixels wide, light and dark, and looks at it.

usage: render.py PAGE-PROGRAM [FOLDER]    with FOLDER, the pages and screenshots are kept there

In the page: every picture is there and has a size, no text of one leaves it, nothing scrolls sideways. In the
screenshots: the background is light or dark as asked for, and enough is drawn on it. Exit status 77: no Chromium.
"""
import html
import json
import pathlib
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import zlib

WIDTHS = [1280, 400]
SCHEMES = {"light": 1, "dark": 0}
HEIGHT = 900
# What the page of each name holds: pictures, lines, bars.
PAGES = {"report.html": (8, 5 + 8, 6 * 5), "one.html": (8, 2, 6)}

MEASURE = """<!DOCTYPE html><meta charset="utf-8"><iframe style="border:0" width="%d" height="%d" srcdoc="%s"></iframe>
<pre id="measured"></pre><script>
addEventListener("load", () => {
  const page = document.querySelector("iframe").contentDocument, root = page.documentElement, leaving = [];
  const pictures = [...page.querySelectorAll("figure > svg")];
  for (const picture of pictures) {
    const frame = picture.getBoundingClientRect();
    for (const text of picture.querySelectorAll("text")) {
      const box = text.getBoundingClientRect();
      if (box.left < frame.left - 1 || box.right > frame.right + 1 || box.top < frame.top - 1 ||
          box.bottom > frame.bottom + 1) leaving.push(text.textContent);
    }
  }
  const small = [...page.querySelectorAll("svg text")].filter(t => t.getBoundingClientRect().height < 13);
  document.getElementById("measured").textContent = JSON.stringify({
    width: root.clientWidth, scroll: root.scrollWidth, leaving,
    sizes: pictures.map(p => [p.getBoundingClientRect().width, p.getBoundingClientRect().height]),
    lines: [...page.querySelectorAll("polyline")].filter(l => l.getTotalLength() > 20).length,
    bars: [...page.querySelectorAll("rect.bar")].filter(b => b.getBBox().width >= 1).length,
    small: small.map(t => t.textContent), scripts: page.scripts.length,
  });
});
</script>"""


def chromium(program, folder, *arguments):
    with tempfile.TemporaryDirectory(dir=folder) as profile:
        done = subprocess.run(
            [program, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
             "--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars",
             f"--user-data-dir={profile}", *arguments],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120, check=True)
    return done.stdout.decode()


def measure(program, folder, page, width):
    """What the browser makes of a page in a frame of this width."""
    wrapper = folder / "measure.html"
    wrapper.write_text(MEASURE % (width, HEIGHT, html.escape(page.read_text())))
    dom = chromium(program, folder, "--window-size=1500,1000", "--dump-dom", wrapper.as_uri())
    return json.loads(html.unescape(re.search(r'<pre id="measured">(.*?)</pre>', dom, re.S).group(1)))


def unfilter(kind, line, above, size):
    for i in range(len(line)):
        left = line[i - size] if i >= size else 0
        corner = above[i - size] if i >= size else 0
        if kind == 1:
            line[i] = (line[i] + left) & 255
        elif kind == 2:
            line[i] = (line[i] + above[i]) & 255
        elif kind == 3:
            line[i] = (line[i] + (left + above[i]) // 2) & 255
        elif kind == 4:
            guess = left + above[i] - corner
            nearest = min((left, above[i], corner), key=lambda value: abs(guess - value))
            line[i] = (line[i] + nearest) & 255
    return line


def pixels(path):
    """The rows of a PNG of 8-bit colours, as lists of (red, green, blue)."""
    data, position, packed = path.read_bytes(), 8, b""
    while position < len(data):
        length, kind = struct.unpack(">I4s", data[position:position + 8])
        chunk = data[position + 8:position + 8 + length]
        position += 12 + length
        if kind == b"IHDR":
            width, height, depth, colours = struct.unpack(">IIBB", chunk[:10])
        elif kind == b"IDAT":
            packed += chunk
    size = {2: 3, 6: 4}[colours]
    raw, step = zlib.decompress(packed), width * size + 1
    rows, above = [], bytearray(step - 1)
    for y in range(height):
        above = unfilter(raw[y * step], bytearray(raw[y * step + 1:(y + 1) * step]), above, size)
        rows.append([tuple(above[x:x + 3]) for x in range(0, len(above), size)])
    return rows


def look(program, folder, page, width, scheme):
    """Mistakes in a screenshot."""
    picture = folder / f"{page.stem}-{width}-{scheme}.png"
    chromium(program, folder, f"--window-size={width},{HEIGHT}", f"--screenshot={picture}",
             f"--blink-settings=preferredColorScheme={SCHEMES[scheme]}", page.as_uri())
    rows = pixels(picture)
    paper = rows[2][2]
    drawn = sum(1 for row in rows for pixel in row if pixel != paper) / (len(rows) * len(rows[0]))
    colourful = {pixel for row in rows for pixel in row if max(pixel) - min(pixel) > 90}
    if len(rows[0]) != width:
        yield f"{picture.name}: {len(rows[0])} pixels wide"
    if (sum(paper) > 3 * 128) != (scheme == "light"):
        yield f"{picture.name}: the background is {paper}"
    if drawn < 0.1 or not colourful:
        yield f"{picture.name}: blank: {drawn:.1%} drawn, {len(colourful)} colours"


def mistakes_of(measured, name, width):
    pictures, lines, bars = PAGES[name]
    where = f"{name} at {width}"
    if measured["width"] != width:
        yield f"{where}: measured at {measured['width']}"
    if measured["scroll"] > width:
        yield f"{where}: scrolls sideways, {measured['scroll']} pixels wide"
    if (len(measured["sizes"]), measured["lines"], measured["bars"]) != (pictures, lines, bars):
        yield f"{where}: {len(measured['sizes'])} pictures, {measured['lines']} lines, {measured['bars']} bars"
    if any(across < 250 or down < 30 for across, down in measured["sizes"]):
        yield f"{where}: pictures of {measured['sizes']}"
    if measured["leaving"]:
        yield f"{where}: texts that leave their picture: {measured['leaving']}"
    if measured["small"]:
        yield f"{where}: texts too small to read: {measured['small']}"
    if measured["scripts"]:
        yield f"{where}: {measured['scripts']} scripts"


def main():
    names = ["chromium", "chromium-browser", "google-chrome"]
    program = next(filter(None, map(shutil.which, names)), None)
    if not program:
        print("no Chromium to render the report with")
        return 77
    kept = sys.argv[2] if len(sys.argv) > 2 else None
    folder = pathlib.Path(kept or tempfile.mkdtemp(prefix="vsluice-render.")).resolve()
    folder.mkdir(exist_ok=True)
    found = []
    try:
        subprocess.run([sys.argv[1], str(folder)], check=True, timeout=60)
        for name in PAGES:
            for width in WIDTHS:
                found += mistakes_of(measure(program, folder, folder / name, width), name, width)
        for width in WIDTHS:
            for scheme in SCHEMES:
                found += look(program, folder, folder / "report.html", width, scheme)
    finally:
        if not kept:
            shutil.rmtree(folder, ignore_errors=True)
    print("\n".join(found) or "the report is whole, light and dark, wide and narrow")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
