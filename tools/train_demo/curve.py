"""Draws the learning curve of a training log as SVG: python -m train_demo.curve TRAIN.log OUT.svg."""

import re
import sys
from pathlib import Path

LINE = re.compile(r"seen (\d+) share [\d.]+, (\d+) px: level ([\d.]+)")
WIDTH, HEIGHT, LEFT, BOTTOM = 640, 320, 60, 40


def main(log: Path, out: Path) -> None:
    """Mean |log error| of the training batches against images seen; the first log line of a resumed run is left out."""
    rows = [(int(a), int(b), float(c)) for a, b, c in LINE.findall(log.read_text())]
    most, top = max(r[0] for r in rows), 0.5

    def place(seen: float, level: float) -> str:
        x = LEFT + (WIDTH - LEFT - 10) * seen / most
        return f"{x:.1f},{10 + (HEIGHT - BOTTOM - 10) * (1 - min(level, top) / top):.1f}"

    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" font-family="sans-serif">']
    parts.append(f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>')
    for k in range(6):
        x, y = place(0, k / 10).split(",")
        parts.append(f'<path d="M{x} {y}H{WIDTH - 10}" stroke="#ddd"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{y}" font-size="12" text-anchor="end">{k / 10}</text>')
    for long, colour in ((128, "#1f77b4"), (192, "#d62728")):
        points = [place(seen, level) for seen, size, level in rows if size == long]
        if points:
            parts.append(f'<polyline points="{" ".join(points)}" fill="none" stroke="{colour}" stroke-width="2"/>')
            x = points[len(points) // 2].split(",")[0]
            parts.append(f'<text x="{x}" y="30" font-size="12" fill="{colour}">{long} px</text>')
    step = 5000
    for seen in range(0, most + 1, step):
        x = place(seen, 0).split(",")[0]
        parts.append(f'<text x="{x}" y="{HEIGHT - 22}" font-size="12" text-anchor="middle">{seen // 1000}k</text>')
    parts.append(f'<text x="{WIDTH / 2}" y="{HEIGHT - 5}" font-size="12" text-anchor="middle">images seen</text>')
    parts.append(
        f'<text x="14" y="{HEIGHT / 2}" font-size="12" transform="rotate(-90 14 {HEIGHT / 2})">|log error|</text>'
    )
    out.write_text("\n".join([*parts, "</svg>", ""]))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
