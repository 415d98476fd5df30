"""What networks say about photos beside their depth: kept per photo, summed up in facts, raised as signals."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np

from recon3d.depth.model import DepthPrediction
from recon3d.geometry.arrays import Array
from recon3d.signals import Signal

UNSURE = 0.75
"""A router that gives its head a smaller probability than this is unsure."""
END_SHARE, END_WITHIN = 0.1, 0.02
"""A photo goes beyond its network's training where more of it than this lies within that much of the far end."""

Said = dict[str, Any]
"""About one photo: "finite"; where it has to do without a prediction "why"; and where a head spoke "head",
"probability", "focal_factor", "corrected", "end_share" and "end_m"."""


def said_of(prediction: DepthPrediction, mask: Array | None, factor: float | None, *, corrected: bool) -> Said | None:
    """What is worth keeping beside a photo's depth; None where that is nothing.

    Args:
        prediction: before the focal correction.
        mask: (H, W) bool, where the lens saw something; None = everywhere.
        factor: of the focal correction, None where there is none.
        corrected: whether it is applied.
    """
    finite = bool(np.isfinite(prediction.values).any())
    head = prediction.head
    if head is None:
        return None if finite else {"finite": False}
    seen = prediction.values if mask is None else prediction.values[mask]
    farthest_m = head.range_m[1]
    return {
        "finite": finite,
        "head": head.name,
        "probability": round(float(head.probability), 4),
        "focal_factor": None if factor is None else round(factor, 4),
        "corrected": corrected,
        "end_share": round(float(np.mean(seen >= (1 - END_WITHIN) * farthest_m)), 4) if seen.size else 0.0,
        "end_m": float(farthest_m),
    }


def said_facts(said: Mapping[str, Said]) -> dict[str, Any]:
    """How many photos each head spoke about, and what the focal correction would do or did; empty without heads."""
    spoke = [words for words in said.values() if "head" in words]
    if not spoke:
        return {}
    facts: dict[str, Any] = {"heads": dict(sorted(Counter(words["head"] for words in spoke).items()))}
    factors = [words["focal_factor"] for words in spoke if words["focal_factor"] is not None]
    if factors:
        facts["focal_factor"] = {
            "median": round(float(np.median(factors)), 4),
            "least": min(factors),
            "largest": max(factors),
            "corrected_photos": sum(words["corrected"] for words in spoke),
        }
    return facts


def said_signals(said: Mapping[str, Said], source: str, count: int) -> list[Signal]:
    """Photos that the network is silent about, unsure about, or that go beyond its training.

    Args:
        said: by photo.
        source: the model's name.
        count: of all photos.
    """
    signals = []
    silent = tuple(name for name, words in said.items() if not words["finite"])
    if silent:
        listed = ", ".join(f"{name} ({said[name]['why']})" if "why" in said[name] else name for name in silent)
        text = f"{len(silent)} of {count} photos got no finite value from {source}: {listed}"
        signals.append(Signal("NO_PREDICTION", text, silent))
    unsure = {name: words["probability"] for name, words in said.items() if words.get("probability", 1) < UNSURE}
    if unsure:
        listed = ", ".join(f"{name} ({said[name]['head']} {100 * p:.0f} %)" for name, p in unsure.items())
        text = f"{source} is unsure of its head in {len(unsure)} of {count} photos: {listed}"
        signals.append(Signal("ROUTER_UNSURE", text, tuple(unsure)))
    ends = {name: words for name, words in said.items() if words.get("end_share", 0) > END_SHARE}
    if ends:
        listed = ", ".join(f"{name} ({100 * w['end_share']:.0f} % at {w['end_m']:g} m)" for name, w in ends.items())
        text = f"{len(ends)} of {count} photos reach the end of what {source} was trained on: {listed}"
        signals.append(Signal("OUT_OF_RANGE", text, tuple(ends)))
    return signals
