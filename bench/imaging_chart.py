"""The chart of bench/imaging.py: how many times faster than the plain way each way makes the renditions."""

from html import escape
from typing import Any

BAR, GAP, LEFT, WIDTH, HEAD = 18, 6, 190, 720, 34
OURS, OTHER, INK, PAPER = "#1a6b8f", "#9db4c0", "#222222", "#ffffff"


def svg(groups: list[tuple[str, list[tuple[str, float, str]]]]) -> str:
    """`groups`: a title, and its bars as (name, times, note), in the order in which they are drawn."""
    rows = sum(len(bars) for _title, bars in groups)
    height = rows * (BAR + GAP) + len(groups) * HEAD + GAP
    longest = max((times for _title, bars in groups for _name, times, _note in bars), default=1)
    parts, y = [], 0
    for title, bars in groups:
        parts.append(_text(GAP, y + HEAD - 12, title, weight="bold"))
        y += HEAD
        for name, times, note in bars:
            parts.append(_bar(name, times, note, y=y, scale=(WIDTH - LEFT - 190) / longest))
            y += BAR + GAP
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}"'
        f' font-family="sans-serif" font-size="13"><rect width="100%" height="100%" fill="{PAPER}"/>'
        + "".join(parts)
        + "</svg>\n"
    )


def _bar(name: str, times: float, note: str, *, y: int, scale: float) -> str:
    length = max(1, times * scale)
    fill = OURS if name == "ours" else OTHER
    return (
        _text(LEFT - 8, y + 14, name, anchor="end")
        + f'<rect x="{LEFT}" y="{y}" width="{length:.1f}" height="{BAR}" fill="{fill}"/>'
        + _text(LEFT + length + 6, y + 14, f"{times:.1f} × {note}")
    )


def _text(x: float, y: float, words: str, **attributes: Any) -> str:
    names = {"weight": "font-weight", "anchor": "text-anchor"}
    extra = "".join(f' {names[name]}="{value}"' for name, value in attributes.items())
    return f'<text x="{x:.1f}" y="{y:.1f}" fill="{INK}"{extra}>{escape(words)}</text>'
