"""The command line: options become settings, settings one stage, a stage one line."""

import json
import shlex
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from recon3d.bars import bars
from recon3d.errors import InputError, Recon3dError
from recon3d.settings import (
    CloudSettings,
    DepthSettings,
    FuseSettings,
    PhotosSettings,
    PosesSettings,
    RefineSettings,
    ScaleSettings,
    Settings,
)

if TYPE_CHECKING:
    from recon3d.stages.job import Outcome

INTERRUPTED = 130
"""Exit code that typer ends with after Ctrl-C."""

app = typer.Typer(
    name="recon3d",
    help="Photos in, metric mesh out.",
    no_args_is_help=True,
    rich_markup_mode=None,  # rich's markup would swallow [px] and [m]
    pretty_exceptions_enable=False,
    add_completion=False,
)
models_app = typer.Typer(help="Depth models: which there are, and fetching one.", rich_markup_mode=None)
app.add_typer(models_app, name="models")

PhotosArg = Annotated[
    list[str], typer.Argument(metavar="PHOTOS…", help="A folder, a glob, photos named one by one, or a video.")
]
SceneArg = Annotated[Path, typer.Argument(metavar="SCENE", help="The scene's folder.")]
OutOpt = Annotated[Path | None, typer.Option("-o", "--out", metavar="SCENE", help="The scene's folder.")]
ModelOpt = Annotated[
    str | None, typer.Option(help=f"Depth model, a local folder, or recorded. [default: {DepthSettings.model}]")
]
CameraOpt = Annotated[str | None, typer.Option(metavar="FILE", help="Camera of all photos: JSON, or a 3x3 K as text.")]
PosesOpt = Annotated[str | None, typer.Option("--poses", metavar="FILE", help="Given poses.")]
DepthOpt = Annotated[str | None, typer.Option("--depth", metavar="DIR", help="Depth maps made by another tool.")]
FormatOpt = Annotated[
    str | None, typer.Option("--format", help="Layout of PHOTOS: folder, 7scenes, nerfstudio, colmap.")
]
LensOpt = Annotated[
    str | None,
    typer.Option(
        "--calibrate-lens", metavar="on|off", help="Find lens distortion from the photos; off keeps a pinhole."
    ),
]
DeviceOpt = Annotated[str, typer.Option(help="auto, cuda, mps or cpu.")]
ConfigOpt = Annotated[Path | None, typer.Option(metavar="FILE.toml", help="Settings from a file.")]
SetOpt = Annotated[
    list[str] | None, typer.Option("--set", metavar="SECTION.KEY=VALUE", help="One setting; see recon3d settings.")
]
ForceOpt = Annotated[bool, typer.Option("--force", help="Do it again even where it is up to date.")]
JsonOpt = Annotated[bool, typer.Option("--json", help="Print the facts as JSON instead.")]


@app.command()
def run(
    photos: PhotosArg,
    out: OutOpt = None,
    model: ModelOpt = None,
    camera: CameraOpt = None,
    poses: PosesOpt = None,
    depth: DepthOpt = None,
    format: FormatOpt = None,
    calibrate_lens: LensOpt = None,
    device: DeviceOpt = "auto",
    config: ConfigOpt = None,
    set: SetOpt = None,
    force: ForceOpt = False,
    as_json: JsonOpt = False,
) -> None:
    """Everything: photos to mesh.ply and mesh.glb; what is up to date is left as it is."""
    from recon3d.stages.chain import run as run_chain
    from recon3d.stages.job import Job

    options = {"model": model, "camera": camera, "poses": poses, "depth": depth, "format": format}
    settings = _settings(Settings(), config, set, **options, calibrate_lens=calibrate_lens)
    root = out or _scene_for(photos)
    with bars() as report:
        outcomes = _told(run_chain(_source(photos), root, Job(settings, device, None, report, force)), as_json)
    if not as_json:
        typer.echo(f"mesh: {root / 'mesh.ply'}  {root / 'mesh.glb'}   look: recon3d view {shlex.quote(str(root))}")
    _print_json(outcomes, as_json)


@app.command()
def init(
    photos: PhotosArg,
    out: OutOpt = None,
    camera: CameraOpt = None,
    format: FormatOpt = None,
    config: ConfigOpt = None,
    set: SetOpt = None,
    force: ForceOpt = False,
    as_json: JsonOpt = False,
) -> None:
    """Takes photos into a scene: upright, at the working size, with their cameras."""
    from recon3d.stages.init import init as init_stage
    from recon3d.stages.job import Job

    settings = _settings(Settings(), config, set, camera=camera, format=format)
    with bars() as report:
        job = Job(settings, "auto", None, report, force)
        outcomes = _told([init_stage(_source(photos), out or _scene_for(photos), job)], as_json)
    _print_json(outcomes, as_json)


def _stage_command(stage: str, text: str) -> None:
    """Adds the command of one stage."""

    def command(
        scene: SceneArg,
        model: ModelOpt = None,
        poses: PosesOpt = None,
        depth: DepthOpt = None,
        calibrate_lens: LensOpt = None,
        device: DeviceOpt = "auto",
        config: ConfigOpt = None,
        set: SetOpt = None,
        force: ForceOpt = False,
        as_json: JsonOpt = False,
    ) -> None:
        from recon3d.scene import Scene
        from recon3d.stages.chain import run_to, settings_of
        from recon3d.stages.job import Job

        opened = Scene.open(scene)
        options = {"model": model, "poses": poses, "depth": depth, "calibrate_lens": calibrate_lens}
        settings = _settings(settings_of(opened), config, set, **options)
        with bars() as report:
            outcomes = _told(run_to(opened, stage, Job(settings, device, None, report, force)), as_json)
        _print_json(outcomes, as_json)

    command.__doc__ = f"{text} Does what is missing before it; settings go on from the scene's last."
    app.command(name=stage)(command)


_stage_command("poses", "Where each photo stood; undistorts the photos.")
_stage_command("depth", "Depth of each photo, predicted or recorded.")
_stage_command("scale", "Scale of each view, metric scale, levelled world.")
_stage_command("refine", "Keeps the depths that views agree on.")
_stage_command("cloud", "Writes cloud.ply.")
_stage_command("fuse", "Writes mesh.ply and mesh.glb.")


@app.command()
def view(
    scene: SceneArg,
    screenshot: Annotated[
        Path | None, typer.Option(metavar="OUT.png", help="Write a picture; needs no display.")
    ] = None,
) -> None:
    """Shows the mesh, the cloud and the cameras."""
    from recon3d.scene import Scene
    from recon3d.stages.view import save_screenshot, show

    opened = Scene.open(scene)
    if screenshot:
        save_screenshot(opened, screenshot)
        typer.echo(f"picture: {screenshot}")
    else:
        show(opened)


BoardTypeOpt = Annotated[str, typer.Option("--type", help="chessboard, charuco, circles or asymmetric-circles.")]
BoardSizeOpt = Annotated[
    str | None, typer.Option("--board", metavar="9x6", help="Inner corners, ChArUco squares or circles.")
]
SquareOpt = Annotated[float | None, typer.Option(help="Side of a square, or distance of circles [m].")]
MarkerOpt = Annotated[float | None, typer.Option(help="Side of a ChArUco marker [m]. [default: 3/4 of a square]")]
DictionaryOpt = Annotated[str, typer.Option(help="ChArUco markers, as OpenCV names them after DICT_.")]


@app.command()
def calibrate(
    photos: PhotosArg,
    out: Annotated[Path, typer.Option("-o", "--out", metavar="CAMERA.json", help="Camera file; NAME.png beside it.")],
    board: BoardSizeOpt = None,
    type: BoardTypeOpt = "chessboard",
    square: SquareOpt = None,
    marker: MarkerOpt = None,
    dictionary: DictionaryOpt = "5X5_100",
    detector: Annotated[str, typer.Option(help="For chessboards: auto, classic (OpenCV's recipe) or sector.")] = "auto",
    model: Annotated[
        str | None,
        typer.Option(help="pinhole, opencv4, opencv5, opencv8 or fisheye. [default: chosen by held-out views]"),
    ] = None,
    fix_aspect: Annotated[bool, typer.Option("--fix-aspect", help="Keep fx = fy.")] = False,
    fix_principal_point: Annotated[
        bool, typer.Option("--fix-principal-point", help="Keep cx, cy in the image centre.")
    ] = False,
    fix_k3: Annotated[bool, typer.Option("--fix-k3", help="Keep k3 = 0.")] = False,
    keep_outliers: Annotated[bool, typer.Option("--keep-outliers", help="Drop no view.")] = False,
    as_json: JsonOpt = False,
) -> None:
    """A camera file from photos of a calibration board."""
    from recon3d.photos.lens_fit import Held
    from recon3d.stages.calibrate import BoardOptions, CalibrateOptions, calibrate_photos

    options = CalibrateOptions(detector, model, Held(fix_aspect, fix_principal_point, fix_k3), keep_outliers)
    with bars() as report:
        wanted = BoardOptions(type, board, square, marker, dictionary)
        outcomes = _told([calibrate_photos(_source(photos), out, wanted, options, report)], as_json)
    for warning in outcomes[0].facts["warnings"]:
        typer.echo(f"  {_short(warning)}", err=True)
    _print_json(outcomes, as_json)


@app.command()
def board(
    out: Annotated[Path, typer.Option("-o", "--out", metavar="BOARD.pdf", help="PDF or PNG.")],
    type: BoardTypeOpt = "charuco",
    board: BoardSizeOpt = None,
    square: SquareOpt = None,
    marker: MarkerOpt = None,
    dictionary: DictionaryOpt = "5X5_100",
    paper: Annotated[str, typer.Option(help="A4 or Letter.")] = "A4",
    as_json: JsonOpt = False,
) -> None:
    """A calibration board to print, to scale."""
    from recon3d.stages.calibrate import BoardOptions, print_board

    outcomes = _told([print_board(out, BoardOptions(type, board, square, marker, dictionary), paper)], as_json)
    _print_json(outcomes, as_json)


@models_app.callback(invoke_without_command=True)
def models(context: typer.Context) -> None:
    """Lists the depth models and what is cached."""
    if context.invoked_subcommand:
        return
    from recon3d.depth.models import MODELS, is_cached

    for spec in MODELS.values():
        state = "ready" if is_cached(spec) else f"fetch: recon3d models fetch {spec.name}"
        low, high = spec.range_m
        typer.echo(f"{spec.name:12}  {low:g}-{high:g} m  {spec.licence:10}  {spec.size:>8}  {spec.note}  ({state})")
    typer.echo("Also: a local folder in transformers' format, and recorded (a capture's own depth maps).")


@models_app.command()
def fetch(name: Annotated[str, typer.Argument(metavar="NAME", help="A name that recon3d models lists.")]) -> None:
    """Downloads the weights of a model."""
    from recon3d.depth.models import fetch_model

    with bars() as report:
        folder = fetch_model(name, report)
    typer.echo(f"{name}: {folder}")


@app.command()
def settings() -> None:
    """Lists every setting with its default and unit."""
    import dataclasses
    import inspect

    for section, kind in _SECTIONS.items():
        lines = inspect.getsource(kind).splitlines()
        for field in dataclasses.fields(kind):
            at = next(i for i, line in enumerate(lines) if line.strip().startswith(f"{field.name}:"))
            typer.echo(f"{section}.{field.name}={field.default}".ljust(36) + lines[at + 1].strip().strip('"'))


_SECTIONS: dict[str, Any] = {
    "photos": PhotosSettings,
    "poses": PosesSettings,
    "depth": DepthSettings,
    "scale": ScaleSettings,
    "refine": RefineSettings,
    "cloud": CloudSettings,
    "fuse": FuseSettings,
}


@app.command()
def doctor() -> None:
    """Says what this machine has and lacks, with the fix for each."""
    from recon3d.doctor import findings

    found = list(findings())
    for finding in found:
        typer.echo(
            f"{'ok  ' if finding.good else 'LACK'}  {finding.what}" + (f"  → {finding.fix}" if finding.fix else "")
        )
    if not all(finding.good for finding in found):
        raise typer.Exit(1)


def _settings(base: Settings, config: Path | None, assignments: list[str] | None, **options: str | None) -> Settings:
    """Options over --set over --config over the base."""
    if options.get("model") and options.get("depth"):
        raise InputError("got --model and --depth, wanted one of them: both say where depth comes from")
    settings = base.with_toml(config) if config else base
    settings = settings.with_assignments(assignments or [])
    for option, value in options.items():
        if value is None:
            continue
        if option in ("camera", "poses", "depth"):
            value = str(Path(value).absolute())
        section, key = _OPTION_SETTINGS[option]
        settings = settings.replaced(section, **{key: value})
        if option == "model":  # it takes the place of maps that the scene was made with
            settings = settings.replaced("depth", maps=None)
    return settings


_OPTION_SETTINGS = {
    "model": ("depth", "model"),
    "camera": ("photos", "camera"),
    "poses": ("poses", "file"),
    "depth": ("depth", "maps"),
    "format": ("photos", "format"),
    "calibrate_lens": ("poses", "calibrate_lens"),
}
"""The setting that each option of the command line stands for."""


def _source(photos: list[str]) -> str | list[str]:
    return photos[0] if len(photos) == 1 else photos


def _scene_for(photos: list[str]) -> Path:
    """`./<last part of PHOTOS>-scene`; of a glob the folder's name."""
    path = Path(photos[0])
    if any(sign in path.name for sign in "*?[") or len(photos) > 1:
        path = path.absolute().parent
    return Path(f"{path.absolute().stem if path.is_file() else path.absolute().name}-scene")


def _told(outcomes: "Iterable[Outcome]", as_json: bool) -> "list[Outcome]":
    """Echoes each outcome when it is there: its line on stdout, its signals on stderr."""
    done = []
    for outcome in outcomes:
        done.append(outcome)
        if not as_json:
            typer.echo(f"{outcome.stage}: {outcome.line}")
        for signal in outcome.signals if outcome.fresh else ():
            typer.echo(f"  {signal.code}: {_short(signal.message)} → {signal.advice}", err=True)
    return done


def _short(text: str, limit: int = 600) -> str:
    """One line of bounded length, without control characters that file names may hold."""
    line = "".join(c if c.isprintable() else "?" for c in text)
    return line if len(line) <= limit else f"{line[:limit]}… (all of it in scene.json)"


def _print_json(outcomes: "list[Outcome]", as_json: bool) -> None:
    if as_json:
        facts = {
            outcome.stage: {
                **outcome.facts,
                "fresh": outcome.fresh,
                "signals": [signal.as_json() for signal in outcome.signals],
            }
            for outcome in outcomes
        }
        typer.echo(json.dumps(facts, indent=1, ensure_ascii=False))


def main() -> None:
    """Runs the app; errors that a user can act on become one line and exit code 1."""
    try:
        app()
    except Recon3dError as error:
        typer.echo(f"recon3d: {_short(str(error), 2000)}", err=True)
        sys.exit(1)
    except SystemExit as ending:
        if ending.code == INTERRUPTED:
            typer.echo("recon3d: interrupted; the same command goes on from here", err=True)
        raise
