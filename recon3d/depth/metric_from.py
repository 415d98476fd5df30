"""A relative model made metric by another one: its disparity at the scale and shift of metric depth, photo by photo."""

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from recon3d.depth.model import BatchDepthModel, DepthModel, DepthPrediction
from recon3d.errors import InputError, StageError
from recon3d.geometry.arrays import Array
from recon3d.geometry.camera import Camera
from recon3d.scale.affine import fit_affine

SAMPLES = 5000
"""Pixels that scale and shift are fitted on, about, in a regular grid: two numbers need no more."""


@dataclass(frozen=True, eq=False)
class MetricFrom:
    """Two models as one metric `BatchDepthModel`: the shape is the relative one's, the metres are the metric one's.

    Attributes:
        relative: gives disparity.
        metric: gives metres.
    """

    relative: DepthModel
    metric: DepthModel

    @property
    def name(self) -> str:
        """Both names."""
        return joined_name(self.relative.name, self.metric.name)

    @property
    def version(self) -> str:
        """Both versions."""
        return joined_version(self.relative.version, self.metric.version)

    def __call__(self, image: Array, camera: Camera) -> DepthPrediction:
        """Predicts one photo."""
        return self._fitted(self.relative(image, camera), self.metric(image, camera))

    def bucket(self, camera: Camera) -> Hashable:
        """Photos that either network sees at one size."""
        models = (self.relative, self.metric)
        return tuple(model.bucket(camera) if isinstance(model, BatchDepthModel) else None for model in models)

    def batch(self, images: Sequence[Array], cameras: Sequence[Camera]) -> list[DepthPrediction]:
        """Predicts photos of one bucket."""
        answers = (_batch(model, images, cameras) for model in (self.relative, self.metric))
        return [self._fitted(relative, metric) for relative, metric in zip(*answers, strict=True)]

    def _fitted(self, relative: DepthPrediction, metric: DepthPrediction) -> DepthPrediction:
        if relative.kind != "disparity":
            raise InputError(
                f"{self.relative.name}: gives metres by itself; leave --metric-from {self.metric.name} out"
            )
        if metric.kind != "metric":
            raise InputError(
                f"--metric-from {self.metric.name}: gives disparity, wanted a metric model; recon3d models lists them"
            )
        return fitted(relative, metric)


def fitted(relative: DepthPrediction, metric: DepthPrediction) -> DepthPrediction:
    """The relative prediction at the metric one's scale and shift of inverse depth.

    Args:
        relative: disparity.
        metric: depth [m] of the same photo; counts less where its sigma is larger.

    Returns:
        Depth [m], its sigma the spread of the fit, with the metric model's head; NaN all over where nothing fits.
    """
    step = max(1, math.isqrt(relative.values.size // SAMPLES))
    disparity, depth = (prediction.values[::step, ::step].ravel() for prediction in (relative, metric))
    good = np.isfinite(disparity) & (disparity > 0) & np.isfinite(depth) & (depth > 0)
    weight = np.ones(len(depth))
    if metric.sigma is not None:
        sigma = metric.sigma[::step, ::step].ravel()
        good &= np.isfinite(sigma)
        weight = (depth / np.maximum(sigma, 1e-3 * np.abs(depth) + 1e-9)) ** 2
    try:
        fit = fit_affine(disparity[good], 1 / depth[good], weight[good])
    except StageError:  # of one photo, such as a bare wall: the others go on, and the stage names it
        return DepthPrediction(np.full_like(metric.values, np.nan), head=metric.head)
    values = fit.depth(np.where(np.isfinite(relative.values), relative.values, 0))
    return DepthPrediction(values, values * np.float32(fit.relative_sigma), head=metric.head)


def joined_name(relative: str, metric: str) -> str:
    """How reports call the two as one."""
    return f"{relative} with metres from {metric}"


def joined_version(relative: str, metric: str) -> str:
    """Changes when either does."""
    return f"{relative}+{metric}"


def _batch(model: DepthModel, images: Sequence[Array], cameras: Sequence[Camera]) -> list[DepthPrediction]:
    """A batch where the model takes it, else one by one."""
    if isinstance(model, BatchDepthModel):
        return model.batch(images, cameras)
    return [model(image, camera) for image, camera in zip(images, cameras, strict=True)]
