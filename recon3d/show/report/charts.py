"""Charts as static SVG, in black, grey and patterns, values written beside them; equal values give equal bytes."""

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import matplotlib
import numpy as np
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from recon3d.geometry.arrays import Array

STYLE = {
    "svg.hashsalt": "recon3d",  # else ids are random
    "svg.fonttype": "path",  # looks the same without the font
    "font.family": "DejaVu Sans",  # comes with matplotlib
    "font.size": 9,
    "hatch.linewidth": 0.7,
    "axes.edgecolor": "#444444",
}
HATCHES = ("", "////", "....", "xxxx", "----")
GREYS = ("#ffffff", "#e4e4e4", "#d0d0d0", "#a8a8a8", "#c8c8c8")
LABELLED = 40
"""Up to this many photos are named in a chart; of more, every so manieth."""
CELLS = 220
"""Cells along the longer side of the plan that points are counted in."""


@dataclass(frozen=True)
class Bars:
    """One figure over the steps.

    Attributes:
        title: what it is, with its unit and which way is better.
        values: by the step's title; None where it was not measured.
        form: how a value is written, such as "{:.1f} %".
    """

    title: str
    values: Mapping[str, float | None]
    form: str


def steps_chart(figures: Sequence[Bars]) -> str:
    """Figures over the steps, one group of labelled bars each, one below the other."""
    steps = list(dict.fromkeys(step for one in figures for step in one.values))
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(7.4, 0.35 + len(figures) * (0.42 + 0.24 * len(steps))), layout="constrained")
        for axes, one in zip(np.atleast_1d(figure.subplots(len(figures), 1)), figures, strict=True):
            shown = {step: value for step, value in one.values.items() if value is not None}
            top = max([*shown.values(), 0.0]) or 1.0
            for row, (step, value) in enumerate(shown.items()):
                style = {"facecolor": GREYS[steps.index(step) % 5], "hatch": HATCHES[steps.index(step) % 5]}
                axes.barh(row, value, height=0.72, edgecolor="#222222", linewidth=0.8, **style)
                axes.text(value + 0.012 * top, row, one.form.format(value), va="center")
            axes.set_yticks(range(len(shown)), list(shown))
            axes.set_ylim(len(shown) - 0.5, -0.5)
            axes.set_xlim(0, 1.18 * top)
            axes.set_xticks([])
            axes.tick_params(length=0)
            axes.spines[["top", "right", "bottom"]].set_visible(False)
            axes.set_title(one.title, loc="left", fontsize=9.5, fontweight="bold")
        return _svg(figure)


def poses_chart(centres: Array, forward: Array, names: Sequence[str], points: Array, *, levelled: bool) -> str:
    """Where photos were taken, seen from above.

    Args:
        centres: (N, 3) of the cameras [m].
        forward: (N, 3) unit vectors, where they look.
        names: of the photos.
        points: (M, 3) of the surface, drawn in grey [m]; perhaps none.
        levelled: whether z is up; else this is the view along z of whatever world it is.
    """
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(7.4, 5.6), layout="constrained")
        axes = figure.subplots()
        span = float(max(np.ptp(centres[:, :2], axis=0).max(), 1e-3))
        if len(points):
            low, high = np.percentile(points[:, :2], [0.5, 99.5], axis=0)
            span = float(max((high - low).max(), span))
            cells = np.maximum(1, (CELLS * (high - low) / max((high - low).max(), 1e-9)).astype(int))
            counts = np.histogram2d(points[:, 0], points[:, 1], bins=cells, range=np.stack([low, high], axis=1))[0]
            shade = np.minimum(counts / max(np.percentile(counts[counts > 0], 95), 1), 1) if counts.any() else counts
            extent = (low[0], high[0], low[1], high[1])
            axes.imshow(shade.T, origin="lower", extent=extent, cmap="Greys", vmin=0, vmax=2.2, interpolation="nearest")
        reach = 0.05 * span
        axes.plot(centres[:, 0], centres[:, 1], color="#555555", linewidth=0.8, linestyle=":")
        ends = centres[:, :2] + reach * forward[:, :2]
        for centre, end in zip(centres[:, :2], ends, strict=True):
            axes.annotate(
                "", tuple(end), tuple(centre), arrowprops={"arrowstyle": "-|>", "color": "black", "linewidth": 1}
            )
        axes.plot(centres[:, 0], centres[:, 1], "o", color="white", markeredgecolor="black", markersize=5)
        common = _beginning(names) if len(names) > 1 else ""
        every = max(1, -(-len(names) // LABELLED))
        for index in range(0, len(names), every):
            x, y = centres[index, :2] - 0.4 * reach * forward[index, :2]
            axes.annotate(
                _short(names[index][len(common) :] or names[index]), (x, y), fontsize=6.5, ha="center", va="center"
            )
        axes.set_aspect("equal")
        axes.set_xlabel("x [m]")
        axes.set_ylabel("y [m]")
        title = "seen from above" if levelled else "seen along z"
        title += f", names without {_short(common)}" if common else ""
        axes.set_title(title, loc="left", fontsize=9.5, fontweight="bold")
        return _svg(figure)


def scales_chart(factors: Mapping[str, float], sigmas: Mapping[str, float], borrowed: Sequence[str]) -> str:
    """What each photo's depth was multiplied by, with its ±; hollow squares are borrowed from neighbours."""
    names = list(factors)
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(7.4, 2.6), layout="constrained")
        axes = figure.subplots()
        for marker, fill, label in (("o", "black", "from its own points"), ("s", "white", "from its neighbours")):
            mine = [i for i, name in enumerate(names) if (name in borrowed) == (marker == "s")]
            if mine:
                values, errors = ([some[names[i]] for i in mine] for some in (factors, sigmas))
                errors = [value * error for value, error in zip(values, errors, strict=True)]
                axes.errorbar(
                    mine,
                    values,
                    yerr=errors,
                    fmt=marker,
                    color="black",
                    markerfacecolor=fill,
                    markersize=4,
                    elinewidth=0.7,
                    label=label,
                )
        axes.axhline(float(np.median(list(factors.values()))), color="#444444", linewidth=0.8, linestyle="--")
        every = max(1, -(-len(names) // LABELLED))
        axes.set_xticks(range(0, len(names), every), [_short(name) for name in names[::every]], rotation=90, fontsize=6)
        axes.set_ylabel("times")
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(0, 1.16), ncols=2)
        return _svg(figure)


def histogram_chart(edges_m: Sequence[float], series: Mapping[str, Sequence[float]]) -> str:
    """Shares of surfaces by their distance; one more bin than intervals, for all that is farther."""
    labels = [f"{1000 * a:.3g} to {1000 * b:.3g}" for a, b in pairwise(edges_m)]
    labels.append(f"over {1000 * edges_m[-1]:.3g}")
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(7.4, 1.1 + 0.36 * len(labels)), layout="constrained")
        axes = figure.subplots()
        height = 0.8 / len(series)
        for number, (name, shares) in enumerate(series.items()):
            places = np.arange(len(labels)) + (number - (len(series) - 1) / 2) * height
            axes.barh(
                places,
                shares,
                height=height,
                label=name,
                edgecolor="#222222",
                linewidth=0.8,
                facecolor=GREYS[number],
                hatch=HATCHES[number],
            )
            for place, share in zip(places, shares, strict=True):
                axes.text(share + 0.005, place, f"{100 * share:.1f} %", va="center", fontsize=7)
        axes.set_yticks(range(len(labels)), labels)
        axes.invert_yaxis()
        axes.set_xticks([])
        axes.set_xlim(0, 1.1 * max(max(shares) for shares in series.values()))
        axes.set_ylabel("distance [mm]")
        axes.spines[["top", "right", "bottom"]].set_visible(False)
        axes.legend(frameon=False, loc="lower left", bbox_to_anchor=(0, 1), ncols=2)
        return _svg(figure)


def as_url(svg: str) -> str:
    """A chart as the source of an `img`, whose ids don't meet those of other charts."""
    return "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode()


def _beginning(names: Sequence[str]) -> str:
    """What all names begin with."""
    first, last = min(names), max(names)
    return first[: next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first))]


def _short(name: str) -> str:
    """The name without what a chart can't show; of a long one its end, which differs."""
    shown = "".join(c if c.isprintable() and c.isascii() else "?" for c in name).replace("$", r"\$")
    return shown if len(shown) <= 14 else f"…{shown[-13:]}"


def _svg(figure: Figure) -> str:
    file = io.StringIO()
    FigureCanvasSVG(figure).print_svg(file, metadata={"Date": None, "Creator": None})
    return file.getvalue()
