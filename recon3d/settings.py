"""Every knob of recon3d with its default and unit; read from TOML files and section.key=value."""

import dataclasses
import tomllib
import typing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from recon3d.errors import InputError
from recon3d.setting_value import converted


@dataclass(frozen=True)
class PhotosSettings:
    """What `init` takes in."""

    format: str = "auto"
    """Layout of PHOTOS: auto, folder, 7scenes, nerfstudio or colmap."""
    max_side: int = 1024
    """Longer side of the working photos [px]; larger ones are made smaller."""
    max_megapixels: float = 250.0
    """Photos above this size are refused before they are decoded [megapixels]."""
    timeout_s: float = 120.0
    """A photo that is not decoded after this time is skipped, and so is a video whose next frame isn't [s]."""
    fov_deg: float = 60.0
    """Field of view across the longer side that is guessed where nothing is known [degrees]."""
    video_frames: int = 100
    """At most this many frames of a video are kept."""
    video_interval_s: float | None = None
    """Frames of a video are at least about this far apart in time [s]; None = apart by motion alone."""
    undistort: str = "same"
    """What undistorted photos show: same (K as it is), inside (no black borders) or all (every pixel of the photo)."""
    camera: str | None = None
    """Camera file for all photos: our JSON, OpenCV, ROS, Kalibr, COLMAP, nerfstudio, or a 3x3 K as text."""


@dataclass(frozen=True)
class PosesSettings:
    """Structure from motion, or poses from a file."""

    file: str | None = None
    """Given poses: JSON of ours, TUM, nerfstudio, a COLMAP model, or rows of 12 or 16 numbers."""
    adjust: bool = True
    """Given poses and cameras may be moved by a little where the photos say that they are off; off = to the last digit
    as given. A sensor's depth goes with its poses, which stay."""
    one_camera: bool = True
    """All photos of one size without a calibration of their own share one camera."""
    exhaustive_up_to: int = 60
    """Up to this many photos every pair is matched."""
    similar: int = 8
    """Above it: the most similar photos by a global descriptor that each photo is matched with."""
    neighbours: int = 5
    """Above it: photos before and after each photo in capture order that it is matched with."""
    calibrate_lens: bool = True
    """Structure from motion may find a radial distortion of lenses that are not calibrated; off = pinholes."""
    features: int = 8192
    """SIFT features kept per photo."""
    odometry: str = "auto"
    """RGB-D odometry on the depth in the place of structure from motion: auto (where that can't place the photos, or
    hardly sees them from different places), on, off."""
    seed: int = 0
    """Seed of the robust estimators."""
    timeout_min: float = 120.0
    """The structure-from-motion process is ended after this time [min]."""


@dataclass(frozen=True)
class DepthSettings:
    """Where depth comes from."""

    model: str = "zoedepth-nk"
    """Depth model: a name that `recon3d models` lists, a local folder in transformers' format, recorded, or
    ties (no network: the points that photos share, interpolated)."""
    maps: str | None = None
    """Folder of depth maps made by any tool, matched by stem; replaces the model."""
    maps_unit_m: float = 0.001
    """Metres per step of a uint16 depth PNG [m]."""
    trust: bool = False
    """Take maps from `depth.maps` at their word, as a sensor's, and never rescale them."""
    flip: bool = True
    """Average with the prediction of the mirrored photo, as ZoeDepth publishes it."""
    focal_correction: str = "off"
    """Multiply depth by the focal length over that of the training: off, on, auto (where known)."""
    metric_from: str | None = None
    """Metric depth model that a relative model (disparity) takes scale and shift from, photo by photo."""
    batch: int | None = None
    """Photos that the network sees at a time; None = as many as the device's memory holds."""
    precision: str = "auto"
    """Numbers that the network computes with: float32, float16, bfloat16, or auto (float16 on CUDA, else float32)."""
    max_depth_m: float = 100.0
    """Depth beyond this is dropped [m]."""


@dataclass(frozen=True)
class ScaleSettings:
    """Per-view depth scale against structure from motion, then the metric scale."""

    min_views: int = 2
    """A track must be seen by this many photos to tie depth; the angle between its rays says what it is worth."""
    max_reprojection_px: float = 2.0
    """Largest reprojection error of a tie [px]."""
    min_angle_deg: float = 1.5
    """Smallest angle between a tie's rays [degrees]."""
    min_ties: int = 30
    """Views with fewer inlier ties inherit their scale from the other views."""
    field: bool = True
    """Let a view's scale vary smoothly over the photo where that foretells held-out ties better."""
    joint: bool = True
    """Fit the scales of all views together, by the surfaces that they share, where that foretells ties better."""
    factor: float | None = None
    """Metres per unit of the estimated or given poses, instead of what depth says."""
    known_distance: str | None = None
    """Distances measured in the scene, "PHOTO:u1,v1 PHOTO:u2,v2 = METRES", several apart by semicolons; pixels of the
    scene's photos/PHOTO, which stands upright, at the working size."""
    board: str | None = None
    """A board of known size that stands in the scene: "KIND COLUMNSxROWS SQUARE_M [DICTIONARY]", such as
    "chessboard 9x6 0.025" (inner corners) or "charuco 5x7 0.04 APRILTAG_36h11" (squares)."""
    gps: bool = True
    """Take the size from positions in the photos' EXIF where they spread over ten times what they err by."""
    level: bool | None = None
    """Turn the world z up with the floor near 0; None = worlds of estimated poses; given poses keep theirs."""
    trusted_photos: int = 20
    """Sensor depth is measured against the ties of at most this many photos."""


@dataclass(frozen=True)
class RefineSettings:
    """How depths are made better by the photos, and which are kept."""

    photometric: bool = True
    """Move each network's depth to where the other photos show the same; a sensor's is left as it is."""
    matches: int = 8
    """Other photos that each photo is matched with."""
    full_size: bool = True
    """Match at the photos' full size in the end, not at half: finer, and a third more work."""
    consistency: bool = True
    """Drop depths that other views contradict, or that nothing confirms and that are not sure by themselves."""
    edge_jump: float = 0.04
    """Relative depth jump between neighbouring pixels that makes an edge."""
    edge_angle_deg: float = 75.0
    """Pixels whose surface is seen at a steeper angle than this are dropped [degrees]."""
    neighbours: int = 6
    """Other views that each depth map is compared with."""
    agree_relative: float = 0.02
    """Two depths agree within this share of the depth plus `agree_m`."""
    agree_m: float = 0.02
    """Two depths agree within this plus the relative share [m]."""
    min_agree: int = 2
    """Agreeing views that confirm a depth."""
    min_depth_m: float = 0.1
    """Depth nearer than this is dropped [m]."""
    max_depth_m: float | None = None
    """Depth beyond this is dropped [m]; None = as far as the depth goes."""


@dataclass(frozen=True)
class CloudSettings:
    """The coloured point cloud."""

    voxel_size: float | None = None
    """Points within one cube of this edge are merged [m]; None = as the mesh's automatic voxels."""


@dataclass(frozen=True)
class FuseSettings:
    """TSDF fusion."""

    voxel_size: float | None = None
    """Edge of one TSDF cell [m]; None = from the median pixel footprint and the extent."""
    truncation: float | None = None
    """Truncation distance [m]; None = from the voxel size and the sigma of the depths."""
    weighting: bool = True
    """Depths of smaller sigma, nearer and less slanted ones count for more in the mean; off = all the same."""
    min_weight: float | None = None
    """Observations above which a surface is kept; None = from the number of views."""
    max_memory_gib: float = 1.0
    """Memory that the TSDF may take at a time; larger scenes are fused in tiles [GiB]."""
    max_tiles: int = 48
    """Tiles that a scene too large for the memory may be fused in; each takes the photos that see it again."""


@dataclass(frozen=True)
class MeshSettings:
    """What is made of the fused surface, in the order of the steps."""

    repair: bool = True
    """Cut sheets apart that touch in an edge or a vertex alone, and turn triangles to face as those around them."""
    min_component: float = 0.002
    """Connected pieces whose area is less than this share of the largest are dropped."""
    max_spike: float = 2.0
    """Vertices that stand out of the ring of their neighbours by more than this many times its radius are laid into
    it; 0 = none."""
    max_hole: float | None = None
    """Holes with a rim of at most this length are closed [m]; None = 24 usual edges of the mesh, 0 = none."""
    smoothing: int = 5
    """Rounds of smoothing that doesn't shrink; 0 = none."""
    triangles: int | None = None
    """Merge triangles where the surface is flat until so many are left; None = keep all."""
    max_error: float | None = None
    """Merge triangles as far as the surface moves by no more than this [m]; with `triangles` also set, no further."""
    normals: bool | None = None
    """Normals anew from the triangles; off = as the fusion or the depth map had them; None = anew, but of one photo as
    its depth map had them."""


@dataclass(frozen=True)
class ReportSettings:
    """The report: what it looks at, and shows."""

    photos: int = 200
    """At most this many photos are measured and shown; of more, those that a signal names and evenly chosen others."""
    thumbnail_px: int = 200
    """Longer side of the pictures of each photo and its depth [px]."""


@dataclass(frozen=True)
class TextureSettings:
    """The textured mesh, which `texture` makes."""

    size: int | None = None
    """Width and height of the texture, 64 to 8192 [px]; None = 2048, 4096 or 8192, by what the photos resolve."""
    picture: str = "jpeg"
    """How textured.glb holds the texture: jpeg (quality 95) or png (exact, some five times the size)."""


@dataclass(frozen=True)
class Settings:
    """All sections, in the order of the stages."""

    photos: PhotosSettings = field(default_factory=PhotosSettings)
    poses: PosesSettings = field(default_factory=PosesSettings)
    depth: DepthSettings = field(default_factory=DepthSettings)
    scale: ScaleSettings = field(default_factory=ScaleSettings)
    refine: RefineSettings = field(default_factory=RefineSettings)
    cloud: CloudSettings = field(default_factory=CloudSettings)
    fuse: FuseSettings = field(default_factory=FuseSettings)
    mesh: MeshSettings = field(default_factory=MeshSettings)
    report: ReportSettings = field(default_factory=ReportSettings)
    texture: TextureSettings = field(default_factory=TextureSettings)

    def replaced(self, section: str, **values: Any) -> "Settings":
        """These settings with some values of one section changed; names, types and ranges are checked.

        Raises:
            InputError: no such section or key, or a value of another type.
        """
        old = getattr(self, section, None)
        if not dataclasses.is_dataclass(old) or isinstance(old, type):
            raise InputError(f"settings: got section {section!r}, wanted one of {', '.join(sections())}")
        wanted = typing.get_type_hints(type(old))
        for key, value in values.items():
            if key not in wanted:
                raise InputError(f"settings: got {section}.{key}, wanted one of {', '.join(wanted)}")
            values[key] = converted(f"{section}.{key}", value, wanted[key])
        changed: Any = {section: dataclasses.replace(old, **values)}
        return dataclasses.replace(self, **changed)

    def with_assignments(self, assignments: list[str]) -> "Settings":
        """Applies `section.key=value` texts, as `--set` takes them."""
        settings = self
        for text in assignments:
            name, equals, value = text.partition("=")
            section, dot, key = name.strip().partition(".")
            if not (equals and dot):
                raise InputError(f"--set: got {text!r}, wanted section.key=value, such as fuse.voxel_size=0.02")
            settings = settings.replaced(section, **{key: value.strip()})
        return settings

    def with_toml(self, path: Path) -> "Settings":
        """Applies the sections of a TOML file.

        Raises:
            InputError: the file can't be read, is no TOML, or names unknown settings.
        """
        try:
            data = tomllib.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise InputError(f"{path}: the settings file can't be read: {error.strerror}") from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise InputError(f"{path}: not a TOML file: {error}") from error
        settings = self
        for section, values in data.items():
            if not isinstance(values, dict):
                raise InputError(f"{path}: got {section} = {values!r} outside a section, wanted [section] tables")
            settings = settings.replaced(section, **values)
        return settings


def sections() -> list[str]:
    """Names of the sections, in the order of the stages."""
    return [section.name for section in dataclasses.fields(Settings)]
