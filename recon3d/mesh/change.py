"""What a step of cleaning changed, as a number before and after."""

from dataclasses import dataclass

UNITS = {"m": "m", "deg": "degrees"}


@dataclass(frozen=True)
class Change:
    """What a step changed.

    Attributes:
        what: the thing that is counted or measured, the unit last where it has one.
        before: its number.
        after: its number.
    """

    what: str
    before: float
    after: float

    def __str__(self) -> str:
        name, _, unit = self.what.rpartition("_")
        words, unit = (name, f" {UNITS[unit]}") if unit in UNITS else (self.what, "")
        before, after = (f"{x:.3g}" if isinstance(x, float) else str(x) for x in (self.before, self.after))
        return f"{words.replace('_', ' ')} {before} → {after}{unit}"
