"""What a depth model is: an image and its camera in, depth or disparity out."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np

from recon3d.errors import InputError
from recon3d.geometry.arrays import Array, checked
from recon3d.geometry.camera import Camera


@dataclass(frozen=True, eq=False)
class DepthPrediction:
    """What a network says about one photo.

    Attributes:
        values: (H, W) float32; [m] along z for "metric", 1/depth up to scale and shift for "disparity";
            0 = none. May hold NaN or infinities: the depth stage counts and drops them.
        sigma: (H, W) float32 [m], one standard deviation, or None where the model says nothing.
        kind: "metric" or "disparity", never guessed from the values.
    """

    values: Array
    sigma: Array | None = None
    kind: Literal["metric", "disparity"] = "metric"

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
