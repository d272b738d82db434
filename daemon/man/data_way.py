#!/usr/bin/env python3
"""Draws data_way.svg beside itself: the way of a body, and of the pressure against it."""
import html
import pathlib

STEPS = (("origin", "a web server"), ("transfer", "libcurl, a fetch loop"), ("body pipe", "64 KiB, one a job"),
         ("FILE *", "a read error if cut"), ("parser", "worker or command"), ("records", "one JSON value each"),
         ("sink", "files, journal, stdout"))
BOX, GAP, TOP, HEIGHT = 132, 28, 34, 54
WIDTH = len(STEPS) * BOX + (len(STEPS) - 1) * GAP + 20


def text(x, y, words, size, extra=""):
    return f'<text x="{x}" y="{y}" font-size="{size}" text-anchor="middle" {extra}>{html.escape(words)}</text>'


def arrow(x1, x2, y, colour):
    tip = 6 if x2 > x1 else -6
    return (f'<path d="M{x1} {y}H{x2 - tip}" stroke="{colour}" stroke-width="2" fill="none"/>'
            f'<path d="M{x2} {y}l{-tip * 1.4:.1f} -4v8z" fill="{colour}"/>')


def draw():
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} 150" width="{WIDTH}" height="150" '
             'font-family="system-ui, sans-serif" role="img"><title>The data\'s way</title>'
             f'<rect width="{WIDTH}" height="150" fill="#fff"/>']
    parts.append(text(WIDTH / 2, 20, "bytes, as they arrive", 13, 'fill="#1769aa"'))
    for i, (name, what) in enumerate(STEPS):
        x = 10 + i * (BOX + GAP)
        parts.append(f'<rect x="{x}" y="{TOP}" width="{BOX}" height="{HEIGHT}" rx="6" fill="#f3f6f9" stroke="#5b6770"/>')
        parts.append(text(x + BOX / 2, TOP + 23, name, 15, 'font-weight="600" fill="#111"'))
        parts.append(text(x + BOX / 2, TOP + 41, what, 11.5, 'fill="#444"'))
        if i:
            parts.append(arrow(x - GAP + 3, x - 3, TOP + HEIGHT / 2, "#1769aa"))
    left, right = 10 + BOX / 2, WIDTH - 10 - BOX / 2
    parts.append(arrow(right, left, TOP + HEIGHT + 22, "#b3261e"))
    parts.append(text(WIDTH / 2, TOP + HEIGHT + 42,
                      "pressure: a full sink stops the parser, the full pipe pauses the transfer, the TCP window closes, the origin waits",
                      13, 'fill="#b3261e"'))
    return "\n".join([*parts, "</svg>", ""])


if __name__ == "__main__":
    pathlib.Path(__file__).with_name("data_way.svg").write_text(draw())
