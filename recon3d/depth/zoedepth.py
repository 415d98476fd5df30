"""ZoeDepth: metric depth of photos by the published inference, as torch operations on the device."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import ZoeDepthForDepthEstimation

from recon3d.depth.device import memory_named
from recon3d.depth.folder import CONFIG, PREPROCESSOR, read_json
from recon3d.depth.model import DepthPrediction, Head
from recon3d.depth.precision import answers_in, dtype_of
from recon3d.depth.pretrained import load_network
from recon3d.depth.sigma import NETWORK_RELATIVE
from recon3d.depth.zoedepth_fast import FastZoeDepth
from recon3d.depth.zoedepth_head import BinDepth
from recon3d.depth.zoedepth_input import STRIDE, Preprocessing, network_pixels, network_size, padding, preprocessing_of
from recon3d.errors import InputError
from recon3d.geometry.arrays import Array, checked
from recon3d.geometry.camera import Camera

TRAINING_FOCAL_PX = {"nyu": 415.0, "kitti": 446.0}
"""Focal length of each head's training photos, at the size at which the network saw them [px]."""

_REMOTE_BACKBONE = ("backbone", "use_timm_backbone", "use_pretrained_backbone")


class ZoeDepth:
    """ZoeDepth with its weights on a device; predicts metres, without looking at the focal length.

    Attributes:
        name: of the model.
        version: of the weights.
    """

    def __init__(
        self,
        network: Callable[[Tensor], BinDepth],
        heads: Sequence[tuple[str, tuple[float, float]]],
        preprocessing: Preprocessing,
        *,
        name: str,
        version: str,
        device: str,
        flip: bool,
        precision: str = "float32",
        sigma_factor: float = 1.0,
    ) -> None:
        """Takes a network that is on its device.

        Args:
            network: (B, 3, h, w) normalised pixels to what it says of each photo alone.
            heads: name, and nearest and farthest depth [m], of each of its heads.
            preprocessing: how photos reach it.
            name: what the model is called.
            version: of the weights.
            device: a torch device.
            flip: average with the prediction of the mirrored photo, as published.
            precision: what the network computes with, a key of `PRECISIONS`; the bins stay float32.
            sigma_factor: what sigma is multiplied by.
        """
        self.name = name
        self.version = version
        self._network = network
        self._heads = tuple(heads)
        self._preprocessing = preprocessing
        self._device = torch.device(device)
        self._flip = flip
        self._dtype = dtype_of(precision)
        self._sigma_factor = sigma_factor

    def __call__(self, image: Array, camera: Camera) -> DepthPrediction:
        """Predicts one photo, as `batch` does.

        Raises:
            InputError: the image is no (H, W, 3) uint8 array of the camera's size.
            StageError: the device has too little memory.
        """
        with memory_named(self.name, str(self._device), camera):
            return self.batch([image], [camera])[0]

    def bucket(self, camera: Camera) -> tuple[int, int]:
        """The (h, w) at which the network sees a photo [px]; photos that share it may share a batch."""
        height, width = (side + 2 * padding(side) for side in (camera.height, camera.width))
        return network_size(height, width, self._preprocessing)

    def batch(self, images: Sequence[Array], cameras: Sequence[Camera]) -> list[DepthPrediction]:
        """Predicts photos of one bucket; what is said of one doesn't depend on the others.

        Sigma is the standard deviation of the mixture of the bin distributions of the photo and its mirror image:
        the mean of the two variances, and half the difference of the two depths squared; without the mirrored pass
        that of the one distribution. The bins were trained for their mean alone, and nothing was ever measured of
        their spread: where they are surer than the published error (REL .075 on NYU, .054 on KITTI, .17 to .39 on
        sets that the network wasn't trained on), sigma is `NETWORK_RELATIVE` of the depth. All of it times the
        model's factor.

        Source: Bhat et al., ZoeDepth (arXiv 2302.12288), `infer` of its code; transformers' ZoeDepthImageProcessor.

        Args:
            images: (H, W, 3) uint8 sRGB.
            cameras: of the photos; only their size is looked at.

        Returns:
            For each photo the metric depth, 0 where the bicubic interpolation undershoots, NaN where the network says
            NaN; sigma; and the head that spoke. Photo and mirror image choose their heads each for itself: the head is
            the one that both together find likelier. Its focal length counts the network's width per photo width,
            the padding left out: a photo by the training camera, at whatever size, has that focal length.

        Raises:
            InputError: an image is no (H, W, 3) uint8 array of its camera's size; photos are not of one bucket.
            torch.OutOfMemoryError: the device has too little memory for so many.
        """
        buckets = {self.bucket(camera) for camera in cameras}
        if len(buckets) != 1:
            raise InputError(f"{self.name}: got photos for the network sizes {sorted(buckets)}, wanted photos of one")
        images = [
            checked("image", image, np.uint8, (camera.height, camera.width, 3))
            for image, camera in zip(images, cameras, strict=True)
        ]
        with torch.inference_mode():
            depth, sigma, probability = self._predict(images)
            return [
                self._prediction(camera, *values)
                for camera, *values in zip(cameras, depth, sigma, probability.tolist(), strict=True)
            ]

    def _predict(self, images: Sequence[Array]) -> tuple[Tensor, Tensor, Tensor]:
        """(B, h, w) depth and sigma [m], and (B, heads) probability of each head."""
        pixels = torch.stack([network_pixels(image, self._preprocessing, self._device) for image in images])
        if self._flip:
            pixels = torch.cat((pixels, pixels.flip(-1)))
        depth, variance, probability = answers_in(self._dtype, self._said, pixels)
        if self._flip:
            (depth, mirrored), (variance, of_mirrored) = depth.chunk(2), variance.chunk(2)
            mirrored, of_mirrored = mirrored.flip(-1), of_mirrored.flip(-1)
            variance = (variance + of_mirrored) / 2 + ((depth - mirrored) / 2) ** 2
            depth = (depth + mirrored) / 2
            probability = torch.stack(probability.chunk(2)).mean(0)
        return depth, variance.sqrt(), probability

    def _said(self, pixels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """What the network says of normalised pixels, as `BinDepth` lists it."""
        said = self._network(pixels)
        return said.depth, said.variance, said.head_probability

    def _prediction(self, camera: Camera, depth: Tensor, sigma: Tensor, probability: list[float]) -> DepthPrediction:
        """What is said of a photo, at its size."""
        metres = _unpadded(depth, camera, "bicubic").clamp_min(0)
        floor = NETWORK_RELATIVE * metres
        doubt = torch.maximum(_unpadded(sigma, camera, "bilinear"), floor) * self._sigma_factor
        index = max(range(len(probability)), key=probability.__getitem__)
        name, range_m = self._heads[index]
        focal_px = TRAINING_FOCAL_PX.get(name)
        if focal_px is not None:
            focal_px *= camera.width / self.bucket(camera)[1]
        head = Head(name, probability[index], focal_px, range_m)
        return DepthPrediction(metres.cpu().numpy(), doubt.cpu().numpy(), head=head)


def _unpadded(values: Tensor, camera: Camera, mode: str) -> Tensor:
    """(h, w) of the network to the photo's (H, W)."""
    rows, columns = padding(camera.height), padding(camera.width)
    size = camera.height + 2 * rows, camera.width + 2 * columns
    values = F.interpolate(values[None, None], size, mode=mode, align_corners=False)[0, 0]
    return values[rows : rows + camera.height, columns : columns + camera.width]


def load_zoedepth(
    source: str,
    *,
    name: str,
    version: str,
    device: str,
    flip: bool,
    precision: str = "float32",
    sigma_factor: float = 1.0,
) -> ZoeDepth:
    """Loads ZoeDepth from a folder in transformers' format: safetensors only, no code, no network.

    Args:
        source: the folder.
        name: what the model is called.
        version: of the weights.
        device: a torch device.
        flip: average with the prediction of the mirrored photo, as published.
        precision: what the network computes with, a key of `PRECISIONS`; the bins stay float32.
        sigma_factor: what sigma is multiplied by.

    Raises:
        InputError: a file is missing, truncated or of another network; names it.
    """
    folder = Path(source)
    config = read_json(folder / CONFIG)
    _check_config(folder / CONFIG, config)
    preprocessing = preprocessing_of(folder / PREPROCESSOR, config)
    network = load_network(folder, ZoeDepthForDepthEstimation, torch.zeros(1, 3, 2 * STRIDE, 2 * STRIDE))
    return ZoeDepth(
        FastZoeDepth(network).to(device),
        heads_of(network.config),
        preprocessing,
        name=name,
        version=version,
        device=device,
        flip=flip,
        precision=precision,
        sigma_factor=sigma_factor,
    )


def heads_of(config: Any) -> list[tuple[str, tuple[float, float]]]:
    """Name, and nearest and farthest depth [m], of each head of a network.

    One head alone is called by what its bins say of its training: KITTI's are normed, NYU's are not.
    """
    alone = "kitti" if config.bin_centers_type == "normed" else "nyu"
    bins = config.bin_configurations
    return [
        (str(head["name"]) if len(bins) > 1 else alone, (float(head["min_depth"]), float(head["max_depth"])))
        for head in bins
    ]


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
