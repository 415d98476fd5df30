"""Evaluating a trajectory: an estimate against a reference, in place and from pose to pose."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recon3d.errors import InputError
from recon3d.metrics.trajectory import Spread, trajectory_errors
from recon3d.stages.evaluation import Evaluation, table
from recon3d.stages.trajectories import APART_S, matched

BY = {
    "names": "matched by the photos' names",
    "times": f"matched by time, at most {APART_S:g} s apart",
    "order": "matched by the order of the rows",
}
"""How partners were found, in words."""


@dataclass(frozen=True)
class TrajectoryOptions:
    """How trajectories are compared.

    Attributes:
        align: how the estimate is brought to the reference: se3, sim3 or none.
        step: frames from one end of a movement to the other, for the relative error.
    """

    align: str = "se3"
    step: int = 1


def evaluate_trajectory(estimate: Path, reference: Path, options: TrajectoryOptions) -> Evaluation:
    """Absolute and relative pose errors; see `trajectories.matched` and `metrics.trajectory`.

    Args:
        estimate: a SCENE, a file of poses, or a COLMAP, nerfstudio or 7-Scenes folder.
        reference: the same.
        options: alignment and step.

    Raises:
        InputError: a file that can't be read, fewer than 3 poses in common, or no such alignment or step.
    """
    pairs = matched(estimate, reference)
    if len(pairs.names) < 3:
        raise InputError(f"{estimate} and {reference}: got {len(pairs.names)} poses in both, wanted at least 3")
    errors = trajectory_errors(pairs.estimate, pairs.reference, align=options.align, step=options.step)
    facts: dict[str, Any] = {
        "align": options.align,
        "scale": errors.scale,
        "reference_from_estimate": errors.reference_from_estimate.matrix.tolist(),
        "poses": errors.poses,
        "poses_of_estimate": pairs.counts[0],
        "poses_of_reference": pairs.counts[1],
        "matched_by": pairs.by,
        "estimate_in_metres": pairs.metric[0],
        "reference_in_metres": pairs.metric[1],
        "ate_m": dataclasses.asdict(errors.ate_m),
        "rpe_m": dataclasses.asdict(errors.rpe_m),
        "rpe_deg": dataclasses.asdict(errors.rpe_deg),
        "step": errors.step,
        "pairs": errors.pairs,
    }
    how = {"none": "not aligned", "se3": "aligned by rotation and translation (se3), scale 1"}.get(
        options.align, f"aligned by rotation, translation and scale (sim3), scale {errors.scale:.6g}"
    )
    lines = [
        f"{errors.poses} poses of {pairs.counts[0]} and {pairs.counts[1]}, {BY[pairs.by]}, {how}",
        *table(
            ["rmse", "mean", "median", "max"],
            {
                "ATE [m]": _row(errors.ate_m),
                f"RPE over {errors.step} [m]": _row(errors.rpe_m),
                f"RPE over {errors.step} [deg]": _row(errors.rpe_deg),
            },
        ),
    ]
    notes = []
    if not pairs.metric[1]:
        notes.append(f"{reference}: its format doesn't say its unit: lengths are in that unit, metres or not")
    if not pairs.metric[0] and options.align != "sim3":
        notes.append(f"{estimate}: its format doesn't say its unit, and its size counts; --align sim3 takes it away")
    return Evaluation(facts, tuple(lines), tuple(notes))


def _row(spread: Spread) -> tuple[float, ...]:
    return spread.rmse, spread.mean, spread.median, spread.max
