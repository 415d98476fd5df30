"""Depth as stage `scale` left it: what later stages read of a view."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from recon3d.depth.sigma import NETWORK_RELATIVE, default_sigma
from recon3d.files import load_array, read_json
from recon3d.geometry.arrays import Array
from recon3d.scale.affine import Affine
from recon3d.scale.field import field_factor
from recon3d.scene import Scene


def is_relative(scene: Scene) -> bool:
    """Whether the depth stage left disparity, which this stage makes depth."""
    return bool(scene.facts("depth").get("kind") == "disparity")


def predicted(scene: Scene, name: str, line: Affine | None) -> Array:
    """(H, W) float32: a view's depth as predicted; of a relative model in the unit of its line, 0 where it has none."""
    if not is_relative(scene):
        return load_array(scene.depth_path(name))
    disparity = load_array(scene.disparity_path(name))
    return line.depth(disparity) if line else np.zeros_like(disparity)


def aligned_depth(scene: Scene, name: str, view: Mapping[str, Any]) -> Array:
    """(H, W) float32 [m]: the depth of a view at the scale that was fitted to it; 0 all over for a view left out.

    Args:
        scene: with `scale` done.
        name: of the photo.
        view: its entry in `view_scales`.
    """
    line, field = view.get("line"), tuple(view["field"])
    depth = predicted(scene, name, Affine(*line) if line else None)
    return (depth * field_factor(depth, field) * np.float32(view["factor"])).astype(np.float32)


def aligned_sigma(scene: Scene, name: str, aligned: Array, view: Mapping[str, Any], *, sensor: bool) -> Array:
    """(H, W) float32 [m]: the doubt of `aligned_depth`.

    Where the view has ties, their spread says how large a network's doubt is on average: the model's own sigma holds
    the doubt about the scale too, which the ties took away. The model's sigma still says where it is larger.
    """
    relative = view["relative_sigma"] or NETWORK_RELATIVE
    path = scene.sigma_path(name)
    if not path.exists():
        return default_sigma(aligned, sensor=sensor, relative=relative)
    sigma, depth = load_array(path), load_array(scene.depth_path(name))
    valid = (depth > 0) & (sigma > 0)
    if view["relative_sigma"] and valid.any():
        sigma = sigma * np.float32(relative / np.median(sigma[valid] / depth[valid]))
    ratio = np.divide(sigma, depth, out=np.zeros_like(depth), where=depth > 0)
    return (ratio * aligned).astype(np.float32)


def view_scales(scene: Scene) -> dict[str, dict[str, Any]]:
    """What was fitted to each view: factor [metres per metre predicted, 0 = left out], field, relative_sigma, ties.

    A relative model's views also have a "line": scale and shift that make their disparity inverse depth.
    """
    views: dict[str, dict[str, Any]] = read_json(scene.file("scales.json"))["views"]
    return views
