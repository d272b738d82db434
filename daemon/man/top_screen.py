#!/usr/bin/env python3
"""Draws top_screen.svg beside itself from top_screen.txt: a screen of `penstockctl top` as tmux gave it
(capture-pane -p -e). tests/system/test_top_screens.py --picture makes the text anew and then draws it."""
import html
import pathlib
import re
import unicodedata

PLACE = pathlib.Path(__file__).resolve().parent
CELL, LINE, SIZE, EDGE = 8.43, 18, 14, 14  # of a monospaced letter
BACK, FRONT = "#14181d", "#d7dde3"
COLOURS = ("#5b6770", "#ff7b72", "#56d364", "#e3b341", "#79c0ff", "#d2a8ff", "#76e3ea", "#d7dde3")


def cells(c):
    return 0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1


def style(codes, now):
    """What the style `now` becomes by the parameters of an SGR sequence: (colour, bold, dim, reversed)."""
    colour, bold, dim, turned = now
    for code in codes:
        if code == 0:
            colour, bold, dim, turned = None, False, False, False
        elif code == 1:
            bold = True
        elif code == 2:
            dim = True
        elif code == 22:
            bold = dim = False
        elif code in (7, 27):
            turned = code == 7
        elif 30 <= code <= 37 or 90 <= code <= 97:
            colour = COLOURS[code % 10]
        elif code == 39:
            colour = None
    return colour, bold, dim, turned


def runs(line, now):
    """[(column, text, style)] of a line, and the style behind it."""
    found, column = [], 0
    for part in re.split(r"(\x1b\[[\d;]*m)", re.sub(r"\x0e|\x0f|\x1b\(.", "", line)):
        if part.startswith("\x1b["):
            now = style([int(code or 0) for code in part[2:-1].split(";")], now)
        elif part:
            found.append((column, part, now))
            column += sum(map(cells, part))
    return found, now


def drawn(x, y, text, now):
    colour, bold, dim, turned = now
    width = sum(map(cells, text)) * CELL
    front, back = (BACK, colour or FRONT) if turned else (colour or FRONT, None)
    box = f'<rect x="{x:.1f}" y="{y - 14}" width="{width:.1f}" height="{LINE}" fill="{back}"/>' if back else ""
    if not text.strip():
        return box
    more = (' font-weight="700"' if bold else "") + (' opacity="0.65"' if dim else "")
    return f'{box}<text x="{x:.1f}" y="{y}" fill="{front}" textLength="{width:.1f}" xml:space="preserve"{more}>{html.escape(text)}</text>'


def draw(screen):
    lines, now, parts = screen.rstrip("\n").split("\n"), (None, False, False, False), []
    columns = max(sum(map(cells, re.sub(r"\x1b\[[\d;]*m", "", line))) for line in lines)
    for i, line in enumerate(lines):
        found, now = runs(line, now)
        parts += [drawn(EDGE + column * CELL, EDGE + 14 + i * LINE, text, how) for column, text, how in found]
    width, height = round(columns * CELL + 2 * EDGE), len(lines) * LINE + 2 * EDGE
    head = (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
            f'font-family="DejaVu Sans Mono, Menlo, Consolas, monospace" font-size="{SIZE}" role="img"><title>penstockctl top</title>'
            f'<rect width="{width}" height="{height}" rx="8" fill="{BACK}"/>')
    return "\n".join([head, *filter(None, parts), "</svg>", ""])


if __name__ == "__main__":
    (PLACE / "top_screen.svg").write_text(draw((PLACE / "top_screen.txt").read_text()))
