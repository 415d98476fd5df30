"""Networks of transformers that map a photo to one dense map: Depth Anything, DPT (MiDaS), GLPN and Depth Pro."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from recon3d.depth.device import memory_named
from recon3d.depth.model import DepthPrediction, Head
from recon3d.depth.network_input import NetworkInput
from recon3d.depth.precision import answers_in, dtype_of
from recon3d.depth.sigma import NETWORK_RELATIVE
from recon3d.geometry.arrays import Array, checked
from recon3d.geometry.camera import Camera

INVERSE_MIN, INVERSE_MAX = 1e-4, 1e4
"""Depth Pro's inverse depths are clamped to this before they are inverted [1/m]."""


@dataclass(frozen=True)
class NetworkOutput:
    """What the numbers mean that a network gives.

    Attributes:
        kind: "metric" or "disparity" (1/depth up to scale and shift).
        range_m: depths that it was trained on, nearest and farthest [m]; None for disparity.
        per_focal: the numbers are 1/depth [1/m] of a photo whose focal length is its width: they turn into metres
            by the photo's own focal length.
        resample: the filter that brings them to the size of the photo.
    """

    kind: Literal["metric", "disparity"]
    range_m: tuple[float, float] | None = None
    per_focal: bool = False
    resample: Literal["bilinear", "bicubic"] = "bicubic"


class DenseDepth:
    """A dense network with its weights on a device, as a `BatchDepthModel`.

    Attributes:
        name: of the model.
        version: of the weights.
    """

    def __init__(
        self,
        network: Any,
        network_input: NetworkInput,
        output: NetworkOutput,
        *,
        name: str,
        version: str,
        device: str,
        flip: bool,
        precision: str,
        sigma_factor: float,
    ) -> None:
        """Takes a network in eval mode and moves it to the device; the rest as `load_dense`."""
        self.name = name
        self.version = version
        self._device = torch.device(device)
        self._network = network.to(self._device)
        self._input = network_input
        self._output = output
        self._flip = flip
        self._dtype = dtype_of(precision)
        self._sigma_factor = sigma_factor
        self._head = None if output.range_m is None else Head("metric", 1.0, None, output.range_m)

    def bucket(self, camera: Camera) -> tuple[int, int]:
        """The (h, w) at which the network sees the camera's photos [px]."""
        return self._input.size(camera.height, camera.width)

    def __call__(self, image: Array, camera: Camera) -> DepthPrediction:
        """Predicts one photo, as `batch`.

        Raises:
            InputError: the image is no (H, W, 3) uint8 array of the camera's size.
            StageError: the device has too little memory.
        """
        with memory_named(self.name, str(self._device), camera):
            return self.batch([image], [camera])[0]

    def batch(self, images: Sequence[Array], cameras: Sequence[Camera]) -> list[DepthPrediction]:
        """Predicts photos of one bucket.

        No publisher of these networks mirrors photos; with `flip` the answer is the mean of the photo's and of its
        mirror image's, and their disagreement is in sigma.

        Args:
            images: (H, W, 3) uint8 sRGB each; their sizes may differ.
            cameras: of the photos; the focal length is looked at where the output is `per_focal`.

        Returns:
            For each photo (H, W) values, 0 where the interpolation undershoots and NaN where the network says NaN;
            with `flip` and metres also sigma, sqrt((0.1·z)² + (half the difference of the two passes)²) times the
            model's factor. Without it, or with disparity, sigma is None.

        Raises:
            InputError: an image is no (H, W, 3) uint8 array of its camera's size.
            torch.OutOfMemoryError: the device has too little memory for so many.
        """
        with torch.inference_mode():
            pixels = torch.stack(
                [
                    self._input.pixels(
                        checked("image", image, np.uint8, (camera.height, camera.width, 3)), self._device
                    )
                    for image, camera in zip(images, cameras, strict=True)
                ]
            )
            values = self._forward(torch.cat((pixels, pixels.flip(-1))) if self._flip else pixels)
            if not self._flip:
                return [self._prediction(values[i], None, camera) for i, camera in enumerate(cameras)]
            straight, mirrored = values.chunk(2)
            mirrored = mirrored.flip(-1)
            mean, half = (straight + mirrored) / 2, (straight - mirrored).abs() / 2
            return [self._prediction(mean[i], half[i], camera) for i, camera in enumerate(cameras)]

    def _forward(self, pixels: Tensor) -> Tensor:
        """(B, 3, h, w) normalised pixels to (B, 1, h', w') of the network's numbers, float32."""
        (values,) = answers_in(self._dtype, lambda some: (self._network(some).predicted_depth,), pixels)
        return values.unsqueeze(1)

    def _prediction(self, values: Tensor, half: Tensor | None, camera: Camera) -> DepthPrediction:
        """One photo's (1, h', w') numbers, and half the difference of its two passes, as a prediction of its size."""
        values = self._upsampled(values, camera, self._output.resample)
        half = None if half is None or self._output.kind == "disparity" else self._upsampled(half, camera, "bilinear")
        if self._output.per_focal:
            per_width = camera.width / camera.fx
            inverse = (values * per_width).clamp(INVERSE_MIN, INVERSE_MAX)
            values = 1 / inverse
            half = None if half is None else half * per_width * values**2  # dz = z² d(1/z)
        values = values.clamp_min(0)
        sigma = None if half is None else self._sigma_factor * torch.hypot(NETWORK_RELATIVE * values, half)
        return DepthPrediction(
            values.cpu().numpy(), None if sigma is None else sigma.cpu().numpy(), self._output.kind, self._head
        )

    def _upsampled(self, values: Tensor, camera: Camera, mode: str) -> Tensor:
        """(1, h', w') of the network to the photo's (H, W)."""
        return F.interpolate(values[None], (camera.height, camera.width), mode=mode, align_corners=False)[0, 0]
