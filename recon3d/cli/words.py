"""What the commands share: common options, how options become settings, and what fits on a line."""

from pathlib import Path
from typing import Annotated

import typer

from recon3d.errors import InputError
from recon3d.place import placed
from recon3d.settings import DepthSettings, Settings

PhotosArg = Annotated[
    list[str], typer.Argument(metavar="PHOTOS…", help="A folder, a glob, photos named one by one, or a video.")
]
SceneArg = Annotated[
    Path, typer.Argument(metavar="SCENE", parser=placed, help="The scene's folder, or the URL of one in a store.")
]
OutOpt = Annotated[
    Path | None,
    typer.Option(
        "-o",
        "--out",
        metavar="SCENE",
        parser=placed,
        help="The scene's folder, or a URL. [default: PHOTOS-scene, here]",
    ),
]
ModelOpt = Annotated[
    str | None,
    typer.Option(help=f"Depth model, a local folder, recorded, or ties (no network). [default: {DepthSettings.model}]"),
]
MetricFromOpt = Annotated[
    str | None,
    typer.Option(
        "--metric-from", metavar="MODEL", help="Metric model that gives a relative one (disparity) its metres."
    ),
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
DistanceOpt = Annotated[
    list[str] | None,
    typer.Option(
        "--known-distance",
        metavar='"PHOTO:u1,v1 PHOTO:u2,v2 = METRES"',
        help="Distance measured between two points, pixels of the scene's photos/PHOTO; may be given several times.",
    ),
]
LevelOpt = Annotated[
    bool | None,
    typer.Option("--level/--no-level", help="Turn the world z up. [default: not where the poses were given]"),
]
DeviceOpt = Annotated[str, typer.Option(help="auto, cuda, mps or cpu.")]
ConfigOpt = Annotated[Path | None, typer.Option(metavar="FILE.toml", help="Settings from a file.")]
SetOpt = Annotated[
    list[str] | None, typer.Option("--set", metavar="SECTION.KEY=VALUE", help="One setting; see recon3d settings.")
]
ForceOpt = Annotated[bool, typer.Option("--force", help="Do it again even where it is up to date.")]
EngineOpt = Annotated[
    str | None,
    typer.Option(
        metavar="ENGINE", help="Who does the work: in-process, ray (each core or GPU of this machine), ray://HOST:PORT."
    ),
]
ShardOpt = Annotated[
    str | None,
    typer.Option(metavar="I/N", help="Of depth, refine or fuse, do only part I of N; other processes do the rest."),
]
LogOpt = Annotated[
    Path | None, typer.Option("--log", metavar="FILE", help="Append what happens to a file, as lines of JSON.")
]
QuietOpt = Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing but errors.")]
VerboseOpt = Annotated[
    bool, typer.Option("--verbose", "-v", help="Say also what each stage took, and all of what it found amiss.")
]
DryOpt = Annotated[
    bool,
    typer.Option(
        "--dry-run", help="Do and write nothing: say what would be done, and estimate its disk, time and memory."
    ),
]
JsonOpt = Annotated[bool, typer.Option("--json", help="Print the facts as JSON instead.")]


def settings_from(
    base: Settings, config: Path | None, assignments: list[str] | None, **options: str | bool | list[str] | None
) -> Settings:
    """Options over --set over --config over the base."""
    if options.get("model") and options.get("depth"):
        raise InputError("got --model and --depth, wanted one of them: both say where depth comes from")
    if options.get("model") or options.get("depth"):  # what the scene's last model took its metres from goes with it
        base = base.replaced("depth", metric_from=None)
    settings = base.with_toml(config) if config else base
    settings = settings.with_assignments(assignments or [])
    for option, value in options.items():
        if value is None or value == []:
            continue
        if option in ("camera", "poses", "depth"):
            value = str(Path(str(value)).absolute())
        if isinstance(value, list):
            value = "; ".join(value)
        section, key = OPTION_SETTINGS[option]
        settings = settings.replaced(section, **{key: value})
        if option == "model":  # it takes the place of maps that the scene was made with
            settings = settings.replaced("depth", maps=None)
    return settings


OPTION_SETTINGS = {
    "model": ("depth", "model"),
    "metric_from": ("depth", "metric_from"),
    "camera": ("photos", "camera"),
    "poses": ("poses", "file"),
    "depth": ("depth", "maps"),
    "format": ("photos", "format"),
    "calibrate_lens": ("poses", "calibrate_lens"),
    "known_distance": ("scale", "known_distance"),
    "level": ("scale", "level"),
}
"""The setting that each option of the command line stands for."""


def source(photos: list[str]) -> str | list[str]:
    """What the photo arguments name: one place, or photos one by one."""
    return photos[0] if len(photos) == 1 else photos


def scene_for(photos: list[str]) -> Path:
    """`./<last part of PHOTOS>-scene`; of a glob the folder's name."""
    path = Path(photos[0])
    if any(sign in path.name for sign in "*?[") or len(photos) > 1:
        path = path.absolute().parent
    return Path(f"{path.absolute().stem if path.is_file() else path.absolute().name}-scene")


def short(text: str, limit: int = 600) -> str:
    """One line of bounded length."""
    line = one_line(text)
    return line if len(line) <= limit else f"{line[:limit]}… (all of it in scene.json)"


def one_line(text: str) -> str:
    """Without control characters, which file names may hold."""
    return "".join(c if c.isprintable() else "?" for c in text)
