"""The demo model: a small metric depth network shipped with the package, to try recon3d out without a download."""

import hashlib
import math
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load
from torch import Tensor, nn

from recon3d.depth.model import DepthPrediction
from recon3d.geometry.arrays import Array, checked
from recon3d.geometry.camera import Camera

WEIGHTS = Path(__file__).parent / "weights" / "demo.safetensors"
NETWORK_PIXELS = 144 * 192
"""Area of the image that the network sees [px^2]; the aspect ratio is the photo's."""
CANONICAL_FOCAL = 142.5
"""Focal length for which the network's output is in metres [network px]: 68 degrees across 192 px."""
ASPECT_MAX = 4.0
"""Longer panoramas are squeezed to this aspect ratio before the network sees them."""

SIZE_STEP = 16
"""Network sizes are multiples of this [px]."""

_STAGES = (  # EfficientNet-Lite0: blocks, kernel, stride, expansion, output channels
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
_SKIP_STAGES = (0, 1, 2, 4)  # their outputs, at 1/2, 1/4, 1/8 and 1/16, go to the decoder
_SKIP_CHANNELS = (16, 24, 40, 112)
_DECODER = (24, 40, 72, 128)  # channels at 1/2, 1/4, 1/8 and 1/16
_NECK = 192


class Block(nn.Module):
    """Inverted residual with the batch norms folded into the convolutions: expand, depthwise, project."""

    def __init__(self, c_in: int, c_out: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        c_mid = c_in * expansion
        self.residual = stride == 1 and c_in == c_out
        self.expand = nn.Conv2d(c_in, c_mid, 1) if expansion != 1 else None
        self.depthwise = nn.Conv2d(c_mid, c_mid, kernel, stride, kernel // 2, groups=c_mid)
        self.project = nn.Conv2d(c_mid, c_out, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, c_in, H, W) to (B, c_out, H / stride, W / stride)."""
        wide = x if self.expand is None else F.relu6(self.expand(x), inplace=True)
        y: Tensor = self.project(F.relu6(self.depthwise(wide), inplace=True))
        return x + y if self.residual else y


class DemoNet(nn.Module):
    """EfficientNet-Lite0 encoder, a neck with one global vector, and a light decoder with skips.

    Every layer is a plain convolution or linear map: there are no running statistics.
    """

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 32, 3, 2, 1)
        stages, channels = [], 32
        for count, kernel, stride, expansion, c_out in _STAGES:
            blocks = []
            for i in range(count):
                blocks.append(Block(channels, c_out, kernel, stride if i == 0 else 1, expansion))
                channels = c_out
            stages.append(nn.Sequential(*blocks))
        self.stages = nn.ModuleList(stages)
        self.neck = nn.Conv2d(channels, _NECK, 1)
        self.context = nn.Linear(channels, _NECK)
        self.mix = nn.Conv2d(_NECK, _NECK, 3, 1, 1)
        inputs = (*_DECODER[1:], _NECK)
        self.ups = nn.ModuleList(
            nn.Conv2d(a + skip, b, 3, 1, 1) for a, skip, b in zip(inputs, _SKIP_CHANNELS, _DECODER, strict=True)
        )
        self.out = nn.Conv2d(_DECODER[0], 2, 3, 1, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Predicts the depth in a canonical camera, and its spread.

        Args:
            x: (B, 3, H, W) RGB in [-1, 1]; H and W are even.

        Returns:
            (B, H/2, W/2) log of the depth [log m] at `CANONICAL_FOCAL`, and (B, H/2, W/2) log of its Laplace scale.
        """
        x = F.relu6(self.stem(x), inplace=True)
        skips = []
        for i, stage in enumerate(self.stages):
            x = stage(x)
            if i in _SKIP_STAGES:
                skips.append(x)
        x = F.relu(self.neck(x) + self.context(x.mean((2, 3)))[:, :, None, None])
        x = F.relu(self.mix(x))
        for i in (3, 2, 1, 0):
            x = F.interpolate(x, size=skips[i].shape[2:], mode="bilinear", align_corners=False)
            x = F.relu(self.ups[i](torch.cat((x, skips[i]), 1)), inplace=True)
        y = self.out(x)
        return y[:, 0] + 1.0, y[:, 1] - 1.5


def network_size(width: int, height: int) -> tuple[int, int]:
    """Width and height that the network sees [px]: the photo's aspect ratio, about `NETWORK_PIXELS`."""
    aspect = min(max(width / height, 1 / ASPECT_MAX), ASPECT_MAX)
    short = math.sqrt(NETWORK_PIXELS / max(aspect, 1 / aspect))
    long = NETWORK_PIXELS / short
    sides = [max(2, round(side / SIZE_STEP)) * SIZE_STEP for side in (long, short)]
    return (sides[0], sides[1]) if aspect >= 1 else (sides[1], sides[0])


@dataclass(frozen=True, eq=False)
class DemoModel:
    """The demo network as a `DepthModel`.

    Attributes:
        net: the network, on `device`, in eval mode.
        device: where it runs.
        version: start of the SHA-256 of the weights file.
        sigma_factor: what the learnt spread is multiplied by.
        name: "demo".
    """

    net: DemoNet
    device: torch.device
    version: str
    sigma_factor: float = 1.0
    name: str = "demo"

    def __call__(self, image: Array, camera: Camera) -> DepthPrediction:
        """Predicts metric depth, averaged with the prediction for the mirrored photo.

        The size that the network sees doesn't depend on the focal length, so depth is proportional to it.

        Args:
            image: (H, W, 3) uint8 sRGB.
            camera: its camera; fx and fy [px] turn the network's canonical depth into metres.

        Returns:
            (H, W) depth [m] and one standard deviation of it [m].

        Raises:
            InputError: the image is no (H, W, 3) uint8 array of the camera's size.
        """
        height, width = camera.height, camera.width
        image = checked("image", image, np.uint8, (height, width, 3))
        w, h = network_size(width, height)
        shrinks = w * h < width * height
        small = cv2.resize(image, (w, h), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
        x = torch.from_numpy(small).to(self.device).permute(2, 0, 1)[None].float() / 127.5 - 1
        with torch.inference_mode():
            log_depth, log_spread = self.net(torch.cat((x, x.flip(3))))
        both = torch.stack((log_depth[0], log_depth[1].flip(1)))
        spread = torch.stack((log_spread[0], log_spread[1].flip(1))).mean(0).exp()
        focal = math.sqrt(camera.fx * w / width * camera.fy * h / height)
        depth = both.mean(0).exp() * (focal / CANONICAL_FOCAL)
        sigma = depth * spread * (math.sqrt(2) * self.sigma_factor)  # of a Laplace distribution
        values, sigmas = (
            cv2.resize(a.float().cpu().numpy(), (width, height), interpolation=cv2.INTER_LINEAR) for a in (depth, sigma)
        )
        return DepthPrediction(values, sigmas, kind="metric")


def load_demo(device: str = "cpu", weights: Path = WEIGHTS, sigma_factor: float = 1.0) -> DemoModel:
    """Loads the shipped network; `weights` is for trying out others of the same shape."""
    data = weights.read_bytes()
    net = DemoNet()
    net.load_state_dict({name: value.float() for name, value in load(data).items()})
    net.eval().to(device)
    return DemoModel(net, torch.device(device), hashlib.sha256(data).hexdigest()[:12], sigma_factor)
