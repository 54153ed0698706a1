#!/usr/bin/env python3
"""Draws the rows of a record of benchmarks/peers as bars: verbatim over the peer, a line at 1.

  benchmarks/plot.py RECORD.jsonl OUT.svg

Of latencies, times and sizes less is better: their ratio is drawn the other way round, so a longer bar is always better. Rows of one
kind with other weights or models have bars of their own. Standard library only.
"""
import json
import pathlib
import sys
from html import escape

LESS_IS_BETTER = ("ms", "seconds", "mb")


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    lines = [json.loads(line) for line in pathlib.Path(sys.argv[1]).read_text().splitlines() if line.strip()]
    about = next((r for r in lines if "processor" in r), {})
    rows = [r for r in lines if "ratio" in r]
    width, left, bar, top = 860, 330, 20, 46
    longest = max(2.0, max(max(r["ratio"], 1 / r["ratio"]) for r in rows))
    scale = (width - left - 130) / longest
    height = top + len(rows) * (bar + 6) + 14
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" font-family="sans-serif" font-size="12">',
           '<rect width="100%" height="100%" fill="white"/>',
           f'<text x="10" y="18" font-size="14">verbatim over llama.cpp, same run (longer is better)</text>',
           f'<text x="10" y="34" fill="#555">{escape(about.get("processor", ""))}, {about.get("threads", "?")} threads, {escape(about.get("date", ""))}</text>']
    for i, r in enumerate(rows):
        y = top + i * (bar + 6)
        less = r["what"].rsplit("_", 1)[-1] in LESS_IS_BETTER
        ratio = 1 / r["ratio"] if less else r["ratio"]
        name = r["what"].replace("_", " ") + (f", {r['clients']} clients" if "clients" in r else "") + f" ({r.get('label') or pathlib.Path(r['gguf']).stem})"
        out += [f'<text x="{left - 8}" y="{y + 15}" text-anchor="end">{escape(name)}</text>',
                f'<rect x="{left}" y="{y}" width="{ratio * scale:.1f}" height="{bar}" fill="{"#2a7ab0" if ratio >= 1 else "#b0452a"}"/>',
                f'<text x="{left + ratio * scale + 6:.1f}" y="{y + 15}">{ratio:.2f}  <tspan fill="#777">{r["verbatim"]:.4g} / {r["llama_cpp"]:.4g}</tspan></text>']
    x = left + scale
    out += [f'<line x1="{x:.1f}" y1="{top - 6}" x2="{x:.1f}" y2="{height - 8}" stroke="#333" stroke-dasharray="3 3"/>', "</svg>"]
    pathlib.Path(sys.argv[2]).write_text("\n".join(out) + "\n")


if __name__ == "__main__":
    main()
