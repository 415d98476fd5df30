"""Buffers of a voxel block grid: what it holds of each voxel, seen by numpy or torch without a copy."""

from dataclasses import dataclass
from typing import Any

import open3d as o3d

BLOCK = 16
"""Voxels along the edge of one block."""
BYTES_PER_VOXEL = 4 + 2 + 3 * 2 + 4
"""float32 distance, uint16 count, uint16 colour, float32 evidence: 64 KiB a block."""

o3c = o3d.core


@dataclass(frozen=True)
class Buffers:
    """All blocks of a grid, C of them; writing here writes there. Valid until the grid grows.

    Attributes:
        tsdf: (C, 16³) float32 mean signed distance, in units of the truncation, positive in front of the surface.
        weight: (C, 16³) uint16 (int16 bits in torch) number of observations: what Open3D calls weight, and compares
            with a threshold where it looks for the surface.
        color: (C, 16³, 3) uint16 (int16 bits in torch) mean colour, 255 times the grey level.
        evidence: (C, 16³) float32 sum of the observations' weights.
    """

    tsdf: Any
    weight: Any
    color: Any
    evidence: Any


def voxel_grid(voxel_size: float, block_count: int, device: o3c.Device) -> o3d.t.geometry.VoxelBlockGrid:
    """An empty grid with room for blocks; Open3D's own functions read all of it but the evidence.

    Args:
        voxel_size: [m].
        block_count: blocks to allocate.
        device: CPU or CUDA.
    """
    return o3d.t.geometry.VoxelBlockGrid(
        ("tsdf", "weight", "color", "evidence"),
        (o3c.float32, o3c.uint16, o3c.uint16, o3c.float32),
        [o3c.SizeVector([channels]) for channels in (1, 1, 3, 1)],
        voxel_size,
        BLOCK,
        block_count,
        device,
    )


def numpy_buffers(grid: o3d.t.geometry.VoxelBlockGrid) -> Buffers:
    """The buffers of a grid on the CPU as numpy arrays."""
    views = {name: grid.attribute(name).numpy() for name in ("tsdf", "weight", "color", "evidence")}
    return Buffers(**{name: _flat(view, name) for name, view in views.items()})


def torch_buffers(grid: o3d.t.geometry.VoxelBlockGrid) -> Buffers:
    """The buffers of a grid on any device as torch tensors.

    On the CPU by way of numpy: Open3D's DLPack capsules there were seen to damage the heap.
    """
    import torch

    views = {}
    for name in ("tsdf", "weight", "color", "evidence"):
        attribute = grid.attribute(name)
        if attribute.is_cuda:
            view = torch.utils.dlpack.from_dlpack(attribute.to_dlpack())  # type: ignore[no-untyped-call]
        else:
            numpy_view = attribute.numpy()
            view = torch.from_numpy(numpy_view.view("int16") if numpy_view.itemsize == 2 else numpy_view)
        # torch computes with few uint16 operations: the bits are taken as int16
        views[name] = _flat(view.view(torch.int16) if view.element_size() == 2 else view, name)
    return Buffers(**views)


def _flat(view: Any, name: str) -> Any:
    """(C, 16, 16, 16, channels) as (C, 16³) or, of colour, (C, 16³, 3)."""
    return view.reshape(len(view), BLOCK**3, 3) if name == "color" else view.reshape(len(view), BLOCK**3)
