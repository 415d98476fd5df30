"""What a depth model is: an image and its camera in, depth or disparity out."""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import numpy as np

from recon3d.errors import InputError
from recon3d.geometry.arrays import Array, checked
from recon3d.geometry.camera import Camera


@dataclass(frozen=True)
class Head:
    """Which part of a network spoke about a photo, and what it was trained on.

    Attributes:
        name: such as "nyu" or "kitti".
        probability: that this head is the right one, as the network's router says; 1 where there is one head.
        focal_px: focal length of its training photos, in pixels of *this* photo: where the network saw it shrunk to
            a half, twice the focal length of training; None where the network looks at the focal length itself.
        range_m: depths it was trained on, nearest and farthest [m].
    """

    name: str
    probability: float
    focal_px: float | None
    range_m: tuple[float, float]


@dataclass(frozen=True, eq=False)
class DepthPrediction:
    """What a network says about one photo.

    Attributes:
        values: (H, W) float32; [m] along z for "metric", 1/depth up to scale and shift for "disparity";
            0 = none. May hold NaN or infinities: the depth stage counts and drops them.
        sigma: (H, W) float32 [m], one standard deviation, or None where the model says nothing.
        kind: "metric" or "disparity", never guessed from the values.
        head: what spoke, where the network says it.
    """

    values: Array
    sigma: Array | None = None
    kind: Literal["metric", "disparity"] = "metric"
    head: Head | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", checked("depth values", self.values, np.float32, ("H", "W")))
        if self.sigma is not None:
            object.__setattr__(self, "sigma", checked("depth sigma", self.sigma, np.float32, self.values.shape))
        if self.kind not in ("metric", "disparity"):
            raise InputError(f"depth kind: got {self.kind!r}, wanted metric or disparity")


class DepthModel(Protocol):
    """Predicts the depth of one photo; `name` and `version` decide whether stored depth is still current."""

    @property
    def name(self) -> str:
        """How reports call it."""
        ...

    @property
    def version(self) -> str:
        """Changes whenever its depth does."""
        ...

    def __call__(self, image: Array, camera: Camera) -> DepthPrediction:
        """Predicts from an (H, W, 3) uint8 sRGB image and its camera."""
        ...


@runtime_checkable
class BatchDepthModel(DepthModel, Protocol):
    """A model that is quicker with several photos at a time; each photo's depth is what it would be alone."""

    def bucket(self, camera: Camera) -> Hashable:
        """Photos whose buckets are equal may share a batch."""
        ...

    def batch(self, images: Sequence[Array], cameras: Sequence[Camera]) -> list[DepthPrediction]:
        """Predicts photos of one bucket.

        Raises:
            torch.OutOfMemoryError: the device has too little memory for so many.
        """
        ...


@dataclass(frozen=True)
class FunctionModel:
    """A plain function as a `DepthModel`.

    Attributes:
        predict: (H, W, 3) uint8 sRGB image and camera to a `DepthPrediction`, or to (H, W) depth [m].
        name: how reports call it.
        version: changes whenever the function's depth does; stored depth of another version is made again.
    """

    predict: Callable[[Array, Camera], DepthPrediction | Array]
    name: str
    version: str

    def __call__(self, image: Array, camera: Camera) -> DepthPrediction:
        """Calls the function."""
        result = self.predict(image, camera)
        return result if isinstance(result, DepthPrediction) else DepthPrediction(result)
