"""ZoeDepth: metric depth of a photo by the published inference, as torch operations on the device."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
import transformers
from safetensors import SafetensorError, safe_open
from torch import Tensor
from transformers import ZoeDepthForDepthEstimation

from recon3d.depth.folder import CONFIG, PREPROCESSOR, read_json, weight_files
from recon3d.depth.model import DepthPrediction
from recon3d.depth.sigma import NETWORK_RELATIVE
from recon3d.errors import InputError, StageError
from recon3d.geometry.arrays import Array, checked
from recon3d.geometry.camera import Camera

STRIDE = 32
"""Sides that the network sees are multiples of this [px]: patches of 16, and a neck that halves them once."""
NETWORK_PIXELS_MAX = 1280 * 720
"""Largest image that the network sees [px²]; longer panoramas than 6:1 are made smaller than published.

Attention takes memory with its square: 3 600 patches cost about 4 GB, a photo of 20000 x 300 px would cost 65 GB.
"""

_FIXED = {"do_resize": True, "do_rescale": True, "do_pad": True, "do_normalize": True, "keep_aspect_ratio": True}
_BILINEAR = 2
_REMOTE_BACKBONE = ("backbone", "use_timm_backbone", "use_pretrained_backbone")


@dataclass(frozen=True)
class Preprocessing:
    """How a folder's preprocessor_config.json says that photos reach the network.

    Attributes:
        height: side that photos are resized toward [px].
        width: side that photos are resized toward [px].
        multiple: sides are rounded to multiples of this [px].
        mean: per channel, of values in 0…1.
        std: per channel, of values in 0…1.
    """

    height: int
    width: int
    multiple: int = STRIDE
    mean: tuple[float, ...] = (0.5, 0.5, 0.5)
    std: tuple[float, ...] = (0.5, 0.5, 0.5)


class ZoeDepth:
    """ZoeDepth with its weights on a device; predicts metres, without looking at the focal length.

    Each forward pass holds one photo: the two-head network picks its head by a vote over the batch, so a photo's
    depth would depend on its neighbours, and even on its own mirror image.

    Attributes:
        name: of the model.
        version: of the weights.
    """

    def __init__(
        self, network: Any, preprocessing: Preprocessing, *, name: str, version: str, device: str, flip: bool
    ) -> None:
        self.name = name
        self.version = version
        self._network = network
        self._preprocessing = preprocessing
        self._device = torch.device(device)
        self._flip = flip

    def __call__(self, image: Array, camera: Camera) -> DepthPrediction:
        """Predicts the depth of one photo.

        Source: Bhat et al., ZoeDepth (arXiv 2302.12288), `infer` of its code; transformers' ZoeDepthImageProcessor.

        Args:
            image: (H, W, 3) uint8 sRGB.
            camera: of the photo; only its size is looked at.

        Returns:
            Metric depth, 0 where the bicubic interpolation undershoots, NaN where the network says NaN. With the
            mirrored pass also sigma, sqrt((0.1·z)² + (half the difference of the two passes)²): the bins' own spread
            was never trained to mean an uncertainty. Without it sigma is None.

        Raises:
            InputError: the image is no (H, W, 3) uint8 array of the camera's size.
            StageError: the device has too little memory.
        """
        image = checked("image", image, np.uint8, (camera.height, camera.width, 3))
        try:
            with torch.inference_mode():
                depth, sigma = self._predict(image)
                return DepthPrediction(depth.cpu().numpy(), None if sigma is None else sigma.cpu().numpy())
        except torch.OutOfMemoryError as error:
            raise StageError(
                f"{self.name}: out of memory on {self._device} with a photo of {camera.width} x {camera.height} px; "
                "close other programs that use it, or use --device cpu"
            ) from error

    def _predict(self, image: Array) -> tuple[Tensor, Tensor | None]:
        """(H, W) depth [m], and its sigma [m] where there is a mirrored pass."""
        pixels, padding = self._pixels(image)
        depth = self._forward(pixels)
        if not self._flip:
            return self._unpadded(depth, image, padding, "bicubic").clamp_min(0), None
        mirrored = self._forward(pixels.flip(-1)).flip(-1)
        half_difference = self._unpadded((depth - mirrored).abs() / 2, image, padding, "bilinear")
        depth = self._unpadded((depth + mirrored) / 2, image, padding, "bicubic").clamp_min(0)
        return depth, torch.hypot(NETWORK_RELATIVE * depth, half_difference)

    def _forward(self, pixels: Tensor) -> Tensor:
        """(1, 3, h, w) normalised pixels to (1, 1, h, w) depth [m]."""
        depth: Tensor = self._network(pixels).predicted_depth
        return depth.float().unsqueeze(1)

    def _pixels(self, image: Array) -> tuple[Tensor, tuple[int, int]]:
        """The photo as the network sees it, (1, 3, h, w), and the padding above and left of it [px]."""
        how = self._preprocessing
        rows, columns = (padding(side) for side in image.shape[:2])
        pixels = torch.tensor(image, device=self._device).permute(2, 0, 1).float().div(255)
        # by index, as numpy pads: torch's reflection wants a photo larger than its padding
        pixels = pixels.index_select(1, self._reflection(image.shape[0], rows))
        pixels = pixels.index_select(2, self._reflection(image.shape[1], columns))
        size = network_size(pixels.shape[1], pixels.shape[2], how)
        pixels = F.interpolate(pixels[None], size, mode="bilinear", align_corners=True)
        mean, std = (pixels.new_tensor(values).view(1, 3, 1, 1) for values in (how.mean, how.std))
        return (pixels - mean) / std, (rows, columns)

    def _reflection(self, length: int, pad: int) -> Tensor:
        """(length + 2 pad,) indices that reflect a side about its first and last pixel."""
        return torch.from_numpy(np.pad(np.arange(length), pad, mode="reflect")).to(self._device)

    def _unpadded(self, values: Tensor, image: Array, padding: tuple[int, int], mode: str) -> Tensor:
        """(1, 1, h, w) of the network to the photo's (H, W)."""
        (height, width), (rows, columns) = image.shape[:2], padding
        values = F.interpolate(values, (height + 2 * rows, width + 2 * columns), mode=mode, align_corners=False)
        return values[0, 0, rows : rows + height, columns : columns + width]


def padding(side: int) -> int:
    """Pixels that are reflected before and after a side of the photo [px]."""
    return int(math.sqrt(side / 2) * 3)


def network_size(height: int, width: int, how: Preprocessing) -> tuple[int, int]:
    """The size at which the network sees a padded photo.

    The side that needs the smaller change sets the scale for both; each is rounded to a multiple. Where that would
    exceed `NETWORK_PIXELS_MAX` the scale is lowered to fit; a side never falls below one multiple.

    Args:
        height: of the padded photo [px].
        width: of the padded photo [px].
        how: the preprocessing.

    Returns:
        (h, w) [px].
    """
    scale = how.height / height
    if abs(1 - how.width / width) < abs(1 - scale):
        scale = how.width / width
    h, w = (max(1, round(scale * side / how.multiple)) for side in (height, width))
    most = NETWORK_PIXELS_MAX // how.multiple**2
    if h * w > most:
        shrink = math.sqrt(most / (h * w))
        h, w = max(1, int(h * shrink)), max(1, int(w * shrink))
        h, w = min(h, most // w or 1), min(w, most // h or 1)
    return h * how.multiple, w * how.multiple


def load_zoedepth(source: str, *, name: str, version: str, device: str, flip: bool) -> ZoeDepth:
    """Loads ZoeDepth from a folder in transformers' format: safetensors only, no code, no network.

    Args:
        source: the folder.
        name: what the model is called.
        version: of the weights.
        device: a torch device.
        flip: average with the prediction of the mirrored photo, as published.

    Raises:
        InputError: a file is missing, truncated or of another network; names it.
    """
    folder = Path(source)
    config = read_json(folder / CONFIG)
    _check_config(folder / CONFIG, config)
    for path in weight_files(folder):
        try:
            with safe_open(path, framework="pt") as file:
                file.keys()
        except (SafetensorError, OSError) as error:
            raise InputError(f"{path}: not a whole safetensors file ({error}); copy or fetch it again") from error
    preprocessing = preprocessing_of(folder / PREPROCESSOR, config)
    network = _network(folder)
    return ZoeDepth(network.to(device), preprocessing, name=name, version=version, device=device, flip=flip)


def _check_config(path: Path, config: Any) -> None:
    """Refuses networks that we can't run, or that would have to be fetched."""
    if config.get("model_type") != "zoedepth":
        raise InputError(f"{path}: got model_type {config.get('model_type')!r}, wanted 'zoedepth'")
    remote = [key for key in _REMOTE_BACKBONE if config.get(key)]
    backbone = config.get("backbone_config") or {"model_type": "beit"}
    kind = backbone.get("model_type") if isinstance(backbone, dict) else None
    if remote or kind != "beit":
        got = f"{remote[0]} = {config[remote[0]]!r}" if remote else f"a backbone_config of model_type {kind!r}"
        raise InputError(f"{path}: got {got}, wanted the BEiT backbone of the published ZoeDepth, described in place")


def _network(folder: Path) -> Any:
    """The network with all its weights, in eval mode, float32, on the CPU."""
    with _quiet():
        try:
            network, loaded = ZoeDepthForDepthEstimation.from_pretrained(
                folder,
                local_files_only=True,
                use_safetensors=True,
                trust_remote_code=False,
                dtype=torch.float32,
                ignore_mismatched_sizes=True,  # so that they are listed below, by name
                output_loading_info=True,
            )
        except Exception as error:  # whatever transformers makes of a user's config.json is about that file
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise InputError(f"{folder}: transformers can't build ZoeDepth from {CONFIG}: {reason}") from error
    # transformers would leave weights that are missing or of another shape at random values
    for what in ("missing", "unexpected", "mismatched"):
        names = sorted(str(key[0] if isinstance(key, tuple) else key) for key in loaded[f"{what}_keys"])
        if names:
            raise InputError(
                f"{folder}: {len(names)} {what} weights, such as {names[0]}; {CONFIG} and the safetensors files are "
                "not of the same network: copy or fetch the whole model again"
            )
    return network.eval()


@contextmanager
def _quiet() -> Iterator[None]:
    """Keeps transformers' advice and progress bars off stderr while it loads."""
    log = transformers.utils.logging
    verbosity, bars = log.get_verbosity(), log.is_progress_bar_enabled()
    log.set_verbosity_error()
    log.disable_progress_bar()
    try:
        yield
    finally:
        log.set_verbosity(verbosity)
        if bars:
            log.enable_progress_bar()


def preprocessing_of(path: Path, config: Any) -> Preprocessing:
    """How photos reach the network.

    Args:
        path: preprocessor_config.json; where it is absent the published values hold, 384 x 768 px for the KITTI
            network (the one with "normed" bins), else 384 x 512 px.
        config: the content of config.json.

    Raises:
        InputError: it says what the published inference does not do.
    """
    if not path.is_file():
        return Preprocessing(384, 768 if config.get("bin_centers_type") == "normed" else 512)
    data = read_json(path)
    for key, wanted in _FIXED.items():
        if data.get(key, wanted) is not wanted:
            raise InputError(f"{path}: got {key} = {data[key]!r}, wanted {wanted!r} as published")
    if data.get("resample", _BILINEAR) != _BILINEAR:
        raise InputError(f"{path}: got resample = {data['resample']!r}, wanted {_BILINEAR} (bilinear) as published")
    height, width = (_side(path, data.get("size"), key, side) for key, side in (("height", 384), ("width", 512)))
    multiple = data.get("ensure_multiple_of", STRIDE)
    if type(multiple) is not int or multiple < STRIDE or multiple % STRIDE or multiple > max(height, width):
        raise InputError(f"{path}: got ensure_multiple_of = {multiple!r}, wanted {STRIDE} or a multiple of it")
    statistics = []
    for key in ("image_mean", "image_std"):
        values = data.get(key, [0.5, 0.5, 0.5])
        if not isinstance(values, list) or len(values) != 3 or not all(isinstance(v, int | float) for v in values):
            raise InputError(f"{path}: got {key} = {values!r}, wanted three numbers")
        statistics.append(tuple(float(value) for value in values))
    if not all(value > 0 for value in statistics[1]):
        raise InputError(f"{path}: got image_std = {list(statistics[1])}, wanted numbers above 0")
    return Preprocessing(height, width, multiple, statistics[0], statistics[1])


def _side(path: Path, size: Any, key: str, default: int) -> int:
    """One side of the size in a preprocessor_config.json [px]."""
    side = default if size is None else size.get(key) if isinstance(size, dict) else size
    if type(side) is not int or not STRIDE <= side <= NETWORK_PIXELS_MAX // STRIDE:
        raise InputError(f"{path}: got size.{key} = {side!r}, wanted a whole number of pixels ≥ {STRIDE}")
    return side
