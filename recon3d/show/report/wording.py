"""What the report's figures mean, in plain language."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

CLEAR = 0.05
"""Share by which a figure must change for a step to have helped or harmed."""
TINY = {"%": 0.002, "levels": 0.1}
"""And by which it must, whatever its size."""


@dataclass(frozen=True)
class Measure:
    """A figure that is measured after each step.

    Attributes:
        title: what it is.
        unit: "%" (kept as a share) or "levels".
        better: "lower" or "higher".
        meaning: what it is and how it was had, for people.
    """

    title: str
    unit: str
    better: str
    meaning: str

    def shown(self, value: float | None) -> str:
        """A value with its unit."""
        if value is None:
            return "–"
        return percent(value) if self.unit == "%" else f"{value:.1f} levels"


MEASURES = {
    "tie_error_relative": Measure(
        "Typical error of the distance at known points",
        "%",
        "lower",
        "Photos that share points fix by triangulation how far away these are. This is by how much the depth differs "
        "there, in half of the cases less.",
    ),
    "view_spread_relative": Measure(
        "Photos disagree about how large things are by",
        "%",
        "lower",
        "How much too large or too small one photo shows everything, beside the other photos.",
    ),
    "confirmed_share": Measure(
        "Depth that other photos confirm",
        "%",
        "higher",
        "The share of a photo's depths that at least the wanted number of its neighbours (refine.min_agree) measure at "
        "the same place, within refine.agree_relative of the distance plus refine.agree_m.",
    ),
    "repainted_levels": Measure(
        "Photos repainted from other photos differ by",
        "levels",
        "lower",
        "Each photo is painted anew with the colours that another photo has where the depth says the same thing is. "
        "This is how far the brightness is off, of 255 levels. Wrong depth picks the wrong colours. Noise and gloss "
        "leave some difference even at the true depth.",
    ),
    "double_wall_index": Measure(
        "Walls that are seen twice",
        "%",
        "lower",
        "Where two photos show parallel surfaces at one place, how often they are two a little apart in the place of "
        "one. Each becomes a double wall, or a thick one, in the mesh.",
    ),
}
"""Figures after each step, in the order of the report."""

SOURCES = {
    "depth median": "the depth model: things are as large as it believes, on the median over the photos. What it "
    "believes wrongly of all photos alike is not in the ±.",
    "given poses": "the poses that were given, which are in metres.",
    "given factor": "the factor that was given (scale.factor).",
    "known distance": "a length that was measured in the scene.",
    "known board": "the board of known size that stands in the scene.",
    "GPS": "the positions in the photos' EXIF.",
    "the depth itself": "the depth, which is the only word on size where there are no points that photos share.",
    "none": "nothing: the unit of the poses is unknown, so lengths are not metres.",
}
"""Where the size of the world comes from."""


def verdict(measure: Measure, before: float | None, after: float | None) -> str:
    """Whether a step helped: "helped", "harmed", "no difference" or "not measured"."""
    if before is None or after is None:
        return "not measured"
    change = after - before if measure.better == "higher" else before - after
    if abs(change) < max(CLEAR * abs(before), TINY[measure.unit]):
        return "no difference"
    return "helped" if change > 0 else "harmed"


WORDS = {"helped": "✓ helped", "harmed": "✗ made it worse", "no difference": "= no difference"}
"""How a verdict is written."""


def figures_table(steps: Mapping[str, Mapping[str, Any]]) -> list[tuple[str, list[dict[str, str]]]]:
    """By figure, its value after each step, and whether the step helped; those never measured are left out."""
    rows = []
    for key, measure in MEASURES.items():
        values = [step.get(key) for step in steps.values()]
        if any(value is not None for value in values):
            said = [WORDS.get(verdict(measure, *pair), "") for pair in pairwise(values)]
            cells = [{"value": measure.shown(v), "verdict": w} for v, w in zip(values, ["", *said], strict=True)]
            rows.append((key, cells))
    return rows


def source_of(source: str) -> str:
    """Where the size of the world comes from, for people."""
    return SOURCES.get(source, f"{source}.")


def percent(share: float | None) -> str:
    """A share in percent, with as many digits as say something."""
    if share is None:
        return "–"
    value = 100 * share
    if 0 < value < 0.005:
        return "under 0.01 %"
    return f"{value:.0f} %" if abs(value) >= 99.95 or value == 0 else f"{value:.{1 if abs(value) >= 0.95 else 2}f} %"


def counted(number: int) -> str:
    """A count with spaces between its thousands."""
    return f"{number:,}".replace(",", " ")


def measured(name: str, value: float) -> str:
    """A number by its name in metrics.json, whose end says the unit."""
    if name.endswith("_m"):
        return length(value) if value else "0"
    return f"{value:.1f}°" if name.endswith("_deg") else counted(round(value))


def titled(name: str) -> str:
    """A name in metrics.json for people, without its unit."""
    words = name.removesuffix("_m").removesuffix("_deg").replace("_", " ")
    return words[:1].upper() + words[1:]


def length(metres: float | None) -> str:
    """A length with its unit."""
    if metres is None:
        return "–"
    return (
        f"{metres:.2f} m"
        if abs(metres) >= 1
        else f"{100 * metres:.1f} cm"
        if metres >= 0.01
        else f"{1000 * metres:.1f} mm"
    )


def compared_steps(steps: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Each figure before and after each step, with its verdict; what was never measured is left out."""
    rows = []
    names = list(steps)
    for before, after in pairwise(names):
        for key, measure in MEASURES.items():
            values = steps[before].get(key), steps[after].get(key)
            if None not in values:
                row = {
                    "figure": key,
                    "before_step": before,
                    "after_step": after,
                    "before": values[0],
                    "after": values[1],
                }
                rows.append(row | {"verdict": verdict(measure, *values)})
    return rows
