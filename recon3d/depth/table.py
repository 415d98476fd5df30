"""The table of depth models: what each is, where its weights are, and what may be done with them."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class ModelSpec:
    """A depth model that can be asked for by name.

    Attributes:
        name: what `depth.model` says.
        repository: its id on the Hugging Face hub; empty for a model that ships with recon3d.
        revision: branch, tag or commit of the repository.
        family: which loader reads it; the `model_type` of its config.json.
        kind: what it predicts: metres along z, or disparity (1/depth up to scale and shift).
        range_m: depths it was trained on, nearest and farthest [m]; None for disparity.
        licence: of the weights.
        commercial: whether the licence lets them be used for business.
        download_bytes: size of the download [bytes]; 0 where there is none.
        memory_bytes: of the weights in memory, which are float32 [bytes]; a photo takes more on top.
        note: what it is good for, in a few words.
        sigma_factor: what the model's sigma is multiplied by so that errors over sigma have unit spread on truth
            that it was not trained on; 1 where that was not measured. The scale stage calibrates sigma on the ties
            of each photo anyway.
    """

    name: str
    repository: str
    revision: str
    family: str
    kind: Literal["metric", "disparity"]
    range_m: tuple[float, float] | None
    licence: str
    commercial: bool
    download_bytes: int
    memory_bytes: int
    note: str
    sigma_factor: float = 1.0

    @property
    def size(self) -> str:
        """The download for people, such as "1.38 GB"."""
        return f"{self.download_bytes / 1e9:.2f} GB"


COMMITS = {
    "Intel/zoedepth-nyu-kitti": "f364d4c7936e91f465abba182208dd68142bf0ca",
    "Intel/zoedepth-nyu": "52ae69caf7896c927909b3ceab4249c235e16dc1",
    "Intel/zoedepth-kitti": "0347db85b019f309d5544c70ad2ac998ad570899",
    "depth-anything/Depth-Anything-V2-Metric-Indoor-Small-hf": "8078d68a9c75a972131914f6afd0c1723be0da7f",
    "depth-anything/Depth-Anything-V2-Metric-Indoor-Base-hf": "c6d9784685727bfc6d0a7b5452ce94afaee1e7f5",
    "depth-anything/Depth-Anything-V2-Metric-Indoor-Large-hf": "d2fc6a93601aabb1139a3bf0ebfcb4e89c67817f",
    "depth-anything/Depth-Anything-V2-Metric-Outdoor-Small-hf": "fd2c22027eaf20374204f14099b8341e1925ad39",
    "depth-anything/Depth-Anything-V2-Metric-Outdoor-Base-hf": "5b575fded0346068343a6d96d0ce3ab6dbc9fb49",
    "depth-anything/Depth-Anything-V2-Metric-Outdoor-Large-hf": "4eab4cf1983c2801c515804005214de56a4b67cc",
    "depth-anything/Depth-Anything-V2-Small-hf": "5426e4f0f36572d16453bbda7a8389317b1bef99",
    "depth-anything/Depth-Anything-V2-Base-hf": "b1958afc87fb45a9e3746cb387596094de553ed8",
    "depth-anything/Depth-Anything-V2-Large-hf": "7581137eff8d4e94f6e796d3baea0e9fa79b22d2",
    "LiheYoung/depth-anything-small-hf": "25216a913fa218ccb7d58cce818d52b728b6c1f6",
    "Intel/dpt-large": "bc15f29aa3a80d532f2ed650b5e16ac48d8958f9",
    "Intel/dpt-hybrid-midas": "11eaf7a1cf4bd70740697dbc216f98980c0aeb03",
    "Intel/dpt-swinv2-tiny-256": "f7f350e1a10a5ea58671b68ab5f49dc18ec00483",
    "Intel/dpt-beit-large-512": "eac58b32027ba99e7985fddbac2d193ea4823f7d",
}
"""The commit of each repository that is fetched, so that equal names mean equal weights; `main` where none is known."""


def _zoedepth(name: str, repository: str, farthest_m: float, note: str) -> ModelSpec:
    return ModelSpec(
        name=name,
        repository=repository,
        revision=COMMITS.get(repository, "main"),
        family="zoedepth",
        kind="metric",
        range_m=(1e-3, farthest_m),
        licence="MIT",
        commercial=True,
        download_bytes=1_380_000_000,
        memory_bytes=1_380_000_000,
        note=note,
    )


_VIT_BYTES = {"small": 99_140_000, "base": 389_880_000, "large": 1_341_260_000}
"""Of Depth Anything by the size of its encoder: four a parameter."""


def _depth_anything(name: str, repository: str, farthest_m: float | None, licence: str, note: str) -> ModelSpec:
    size = _VIT_BYTES[name.rpartition("-")[2]]
    return ModelSpec(
        name=name,
        repository=repository,
        revision=COMMITS.get(repository, "main"),
        family="depth_anything",
        kind="disparity" if farthest_m is None else "metric",
        range_m=None if farthest_m is None else (1e-3, farthest_m),
        licence=licence,
        commercial=licence == "Apache-2.0",
        download_bytes=size,
        memory_bytes=size,
        note=note,
    )


def _midas(name: str, repository: str, licence: str, size: int, note: str) -> ModelSpec:
    return ModelSpec(
        name=name,
        repository=repository,
        revision=COMMITS.get(repository, "main"),
        family="dpt",
        kind="disparity",
        range_m=None,
        licence=licence,
        commercial=True,
        download_bytes=size,
        memory_bytes=size,
        note=note,
    )


def _glpn(name: str, repository: str, farthest_m: float, licence: str, note: str) -> ModelSpec:
    return ModelSpec(
        name=name,
        repository=repository,
        revision=COMMITS.get(repository, "main"),
        family="glpn",
        kind="metric",
        range_m=(1e-3, farthest_m),
        licence=licence,
        commercial=licence == "Apache-2.0",
        download_bytes=244_880_000,
        memory_bytes=244_880_000,
        note=note,
    )


_V2 = "depth-anything/Depth-Anything-V2"
_V2_LARGER = "CC-BY-NC-4.0"
_V2_METRIC_LARGER = "see its page (parent: CC-BY-NC-4.0)"

MODELS: dict[str, ModelSpec] = {
    spec.name: spec
    for spec in (
        _zoedepth(
            "zoedepth-nk",
            "Intel/zoedepth-nyu-kitti",
            80.0,
            "rooms and streets; picks its head (to 10 m or to 80 m) by itself",
        ),
        _zoedepth("zoedepth-n", "Intel/zoedepth-nyu", 10.0, "rooms"),
        _zoedepth("zoedepth-k", "Intel/zoedepth-kitti", 80.0, "streets, seen from a car"),
        _depth_anything(
            "depth-anything-v2-metric-indoor-small", f"{_V2}-Metric-Indoor-Small-hf", 20.0, "Apache-2.0", "rooms, quick"
        ),
        _depth_anything(
            "depth-anything-v2-metric-indoor-base", f"{_V2}-Metric-Indoor-Base-hf", 20.0, _V2_METRIC_LARGER, "rooms"
        ),
        _depth_anything(
            "depth-anything-v2-metric-indoor-large",
            f"{_V2}-Metric-Indoor-Large-hf",
            20.0,
            _V2_METRIC_LARGER,
            "rooms, sharp edges",
        ),
        _depth_anything(
            "depth-anything-v2-metric-outdoor-small",
            f"{_V2}-Metric-Outdoor-Small-hf",
            80.0,
            "Apache-2.0",
            "streets, quick",
        ),
        _depth_anything(
            "depth-anything-v2-metric-outdoor-base", f"{_V2}-Metric-Outdoor-Base-hf", 80.0, _V2_METRIC_LARGER, "streets"
        ),
        _depth_anything(
            "depth-anything-v2-metric-outdoor-large",
            f"{_V2}-Metric-Outdoor-Large-hf",
            80.0,
            _V2_METRIC_LARGER,
            "streets, sharp edges",
        ),
        _depth_anything("depth-anything-v2-small", f"{_V2}-Small-hf", None, "Apache-2.0", "anything, quick"),
        _depth_anything("depth-anything-v2-base", f"{_V2}-Base-hf", None, _V2_LARGER, "anything"),
        _depth_anything("depth-anything-v2-large", f"{_V2}-Large-hf", None, _V2_LARGER, "anything, sharp edges"),
        _depth_anything(
            "depth-anything-v1-small", "LiheYoung/depth-anything-small-hf", None, "Apache-2.0", "anything, quick"
        ),
        _midas("midas-dpt-large", "Intel/dpt-large", "Apache-2.0", 1_372_120_000, "anything"),
        _midas("midas-dpt-hybrid", "Intel/dpt-hybrid-midas", "Apache-2.0", 489_510_000, "anything, quicker"),
        _midas(
            "midas-dpt-swinv2-tiny",
            "Intel/dpt-swinv2-tiny-256",
            "MIT",
            163_720_000,
            "anything, quickest",
        ),
        _midas(
            "midas-dpt-beit-large-512",
            "Intel/dpt-beit-large-512",
            "MIT",
            1_380_000_000,
            "anything, the best of MiDaS",
        ),
        _glpn("glpn-nyu", "vinvino02/glpn-nyu", 10.0, "Apache-2.0", "rooms, quick"),
        _glpn("glpn-kitti", "vinvino02/glpn-kitti", 80.0, "see its page", "streets, quick"),
        ModelSpec(
            name="depth-pro",
            repository="apple/DepthPro-hf",
            revision="main",
            family="depth_pro",
            kind="metric",
            range_m=(1e-4, 1e4),
            licence="Apple AMLR, research only",
            commercial=False,
            download_bytes=1_900_000_000,
            memory_bytes=2_590_930_000,
            note="anything, the sharpest edges; slow; takes the focal length from the camera",
        ),
        ModelSpec(
            name="demo",
            repository="",
            revision="",
            family="demo",
            kind="metric",
            range_m=(0.2, 10.0),
            licence="Apache-2.0",
            commercial=True,
            download_bytes=0,
            memory_bytes=15_600_000,
            note="small and coarse, ships with recon3d: to try it out without a download",
            sigma_factor=0.79,
        ),
    )
}
"""Every model that has a name; a local folder needs no row."""


def licence_notice(spec: ModelSpec) -> str | None:
    """What must be said before a model is used for the first time; None where its licence allows any use.

    Args:
        spec: of the model.
    """
    if spec.commercial:
        return None
    return (
        f"{spec.name}: the licence of these weights ({spec.licence}) does not allow commercial use, or may not; read "
        f"it on the page of {spec.repository} first, or take a model whose licence does, such as zoedepth-nk"
    )
