"""Command `evaluate`: depth, a trajectory or a mesh against the truth."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from recon3d.bars import bars
from recon3d.cli.app import app
from recon3d.cli.words import JsonOpt, short
from recon3d.place import placed

if TYPE_CHECKING:
    from recon3d.stages.evaluation import Evaluation

evaluate_app = typer.Typer(
    help="Errors against the truth: of depth, a trajectory or a mesh.", rich_markup_mode=None, no_args_is_help=True
)
app.add_typer(evaluate_app, name="evaluate")

ReportOpt = Annotated[Path | None, typer.Option("-o", "--out", metavar="FILE.json", help="Write the facts there too.")]


@evaluate_app.command()
def depth(
    judged: Annotated[Path, typer.Argument(metavar="A", parser=placed, help="A SCENE, or a folder of depth maps.")],
    truth: Annotated[
        Path, typer.Argument(metavar="TRUTH", parser=placed, help="A folder of depth maps, a capture, or a SCENE.")
    ],
    which: Annotated[
        str | None, typer.Option(help="Depth of a scene: raw, aligned or refined. [default: the last that is done]")
    ] = None,
    scale: Annotated[
        str,
        typer.Option(
            help="Fit each map first: none, median (ratio of medians), affine (least squares in metres: a d + b), "
            "affine-disparity (the same in 1/metres)."
        ),
    ] = "none",
    min_m: Annotated[float, typer.Option("--min-m", help="Truth nearer than this doesn't count [m].")] = 0.001,
    max_m: Annotated[
        float | None, typer.Option("--max-m", help="Truth beyond this doesn't count [m]. [default: all counts]")
    ] = None,
    crop: Annotated[str, typer.Option(help="none, eigen or garg (KITTI), nyu.")] = "none",
    unit_m: Annotated[float, typer.Option("--unit-m", help="Metres per step of maps of integers [m].")] = 0.001,
    out: ReportOpt = None,
    as_json: JsonOpt = False,
) -> None:
    """AbsRel, RMSE, deltas and more: per photo, mean over photos (the headline), and over all pixels."""
    from recon3d.stages.evaluate_depth import DepthOptions, evaluate_depth

    options = DepthOptions(which, scale, min_m, max_m, crop, unit_m)
    with bars() as report:
        evaluation = evaluate_depth(judged, truth, options, report)
    _tell(evaluation, out, as_json)


@evaluate_app.command()
def trajectory(
    estimate: Annotated[
        Path,
        typer.Argument(
            metavar="EST", parser=placed, help="A SCENE, a file of poses, or a COLMAP, nerfstudio or 7-Scenes folder."
        ),
    ],
    reference: Annotated[Path, typer.Argument(metavar="REF", parser=placed, help="The same, of the true poses.")],
    align: Annotated[str, typer.Option(help="se3 (rigid), sim3 (with a scale) or none.")] = "se3",
    step: Annotated[int, typer.Option(help="Frames between the two ends of a relative error.")] = 1,
    out: ReportOpt = None,
    as_json: JsonOpt = False,
) -> None:
    """Absolute and relative pose errors, ATE and RPE."""
    from recon3d.stages.evaluate_trajectory import TrajectoryOptions, evaluate_trajectory

    _tell(evaluate_trajectory(estimate, reference, TrajectoryOptions(align, step)), out, as_json)


@evaluate_app.command()
def mesh(
    judged: Annotated[
        Path, typer.Argument(metavar="A", parser=placed, help="A SCENE, a mesh, or a point cloud (PLY).")
    ],
    truth: Annotated[Path, typer.Argument(metavar="TRUTH", parser=placed, help="The same, of the true surface.")],
    threshold: Annotated[
        list[float] | None,
        typer.Option(help="Distance within which a point is right [m]; repeat. [default: 0.02 0.05]"),
    ] = None,
    align: Annotated[
        str, typer.Option(help="none, rigid or similarity: by the camera centres of scenes, or of --truth-poses.")
    ] = "none",
    truth_poses: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Poses of the photos in the truth's world, for --align.")
    ] = None,
    icp: Annotated[
        float | None, typer.Option(metavar="METRES", help="Then align by closest points within this distance [m].")
    ] = None,
    crop: Annotated[
        float | None,
        typer.Option(metavar="METRES", help="Leave out what is farther than this outside the truth's box [m]."),
    ] = None,
    error_mesh: Annotated[
        Path | None, typer.Option(metavar="OUT.ply", help="Write A in the colours of its errors, in the truth's world.")
    ] = None,
    histogram: Annotated[
        Path | None, typer.Option(metavar="OUT.svg", help="Write the histogram of the distances as a chart.")
    ] = None,
    out: ReportOpt = None,
    as_json: JsonOpt = False,
) -> None:
    """Precision, recall and F-score, accuracy, completeness, chamfer distance and normal consistency."""
    from recon3d.stages.evaluate_mesh import MeshOptions, evaluate_mesh

    limits = tuple(threshold) if threshold else MeshOptions.thresholds_m
    options = MeshOptions(limits, align, truth_poses, icp, crop, error_mesh, histogram)
    _tell(evaluate_mesh(judged, truth, options), out, as_json)


def _tell(evaluation: "Evaluation", out: Path | None, as_json: bool) -> None:
    """Prints the table or the facts; notes go to stderr."""
    if out:
        from recon3d.files import write_json

        write_json(out, evaluation.facts)
    typer.echo(json.dumps(evaluation.facts, indent=1, ensure_ascii=False) if as_json else "\n".join(evaluation.lines))
    for note in evaluation.notes:
        typer.echo(f"  {short(note)}", err=True)
