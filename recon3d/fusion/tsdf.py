"""TSDF: depth maps of many views averaged into one surface, in Open3D's voxel block grid."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import open3d as o3d

from recon3d.errors import InputError, StageError
from recon3d.fusion.plan import BLOCK, FusePlan
from recon3d.geometry import Camera, Frame, Mesh
from recon3d.geometry.arrays import Array
from recon3d.progress import Report, silent

o3c = o3d.core


def fuse(frames: Iterable[Frame], plan: FusePlan, device: str = "cpu", report: Report = silent) -> Mesh:
    """Fuses depth maps into a triangle mesh of the world.

    Args:
        frames: one at a time, in any order and of any sizes; those without depth add nothing.
        plan: of `plan_fusion`, from the same frames.
        device: "auto" or "cuda" fuses on the GPU where Open3D can use one; else on the CPU. The surface is the same.
        report: told after each frame.

    Returns:
        A mesh with colours and normals; not cleaned.

    Raises:
        InputError: the surface outgrows the planned memory.
        StageError: no surface came out; says the likely cause.
    """
    grid = _Grid.empty(plan, device)
    report("fuse", 0, plan.views)
    fused = 0
    for done, frame in enumerate(frames, 1):
        fused += grid.integrate(frame)
        report("fuse", done, plan.views)
    if fused == 0:
        raise StageError("fuse: no photo has any depth left; see what refine dropped, or loosen its settings")
    mesh = grid.extract(plan.min_weight)
    if not len(mesh.triangles):
        raise StageError(
            f"fuse: no surface came out of {fused} photos: none was measured more than {plan.min_weight:g} times at "
            "one place; the poses may be wrong or the photos may not overlap; fuse.min_weight=0 keeps all there is"
        )
    return mesh


@dataclass(frozen=True)
class _Grid:
    """Open3D's grid, with a finder of touched blocks for each photo size."""

    plan: FusePlan
    device: o3c.Device
    blocks: o3d.t.geometry.VoxelBlockGrid
    finders: dict[Camera, o3d.t.geometry.VoxelBlockGrid]

    @classmethod
    def empty(cls, plan: FusePlan, device: str) -> "_Grid":
        """A grid with room for the plan's blocks."""
        use_cuda = (device == "auto" or device.startswith("cuda")) and o3c.cuda.is_available()
        o3d_device = o3c.Device(f"CUDA:{device.partition(':')[2] or 0}" if use_cuda else "CPU:0")
        return cls(plan, o3d_device, _voxel_grid(plan.voxel_size, plan.block_count, o3d_device), {})

    def integrate(self, frame: Frame) -> bool:
        """Adds one frame; False where it has no depth."""
        farthest = float(frame.depth.max())
        if farthest == 0:
            return False
        K = frame.camera.K
        K[:2, 2] += 0.5  # the grid truncates pixel coordinates; our pixel centres are integers
        intrinsic = o3c.Tensor.from_numpy(K)
        cam_from_world = o3c.Tensor.from_numpy(frame.world_from_cam.inverse().matrix)
        depth = self._image(frame.depth)
        # 0 to 255 in float: the grid holds 255 times that in uint16, so that its truncating mean loses no grey levels
        color = self._image(frame.image)
        # depth in metres; reaches beyond the farthest pixel, as the grid drops depth at or beyond the limit
        reach = (1.0, farthest + 1.0, self.plan.truncation / self.plan.voxel_size)
        # The list of touched blocks is sized from the first image a grid sees: each size has a finder of its own.
        if frame.camera not in self.finders:
            self.finders[frame.camera] = _voxel_grid(self.plan.voxel_size, 1, self.device)
        touched = self.finders[frame.camera].compute_unique_block_coordinates(depth, intrinsic, cam_from_world, *reach)
        self._check_room(frame.name, len(touched))
        self.blocks.integrate(touched, depth, color, intrinsic, cam_from_world, *reach)
        return True

    def extract(self, min_weight: float) -> Mesh:
        """The surface where more than `min_weight` observations were averaged."""
        surface = self.blocks.extract_triangle_mesh(float(min_weight)).cpu()
        if "positions" not in surface.vertex or "indices" not in surface.triangle:
            return Mesh(np.empty((0, 3)), np.empty((0, 3), np.int32), np.empty((0, 3), np.uint8))
        colors = np.rint(surface.vertex.colors.numpy())
        return Mesh(
            surface.vertex.positions.numpy().astype(np.float64),
            surface.triangle.indices.numpy().astype(np.int32),
            np.clip(colors, 0, 255).astype(np.uint8),
            surface.vertex.normals.numpy().astype(np.float32),
        )

    def _check_room(self, name: str, touched: int) -> None:
        """Refuses a frame that would make the grid double its buffers beyond the planned memory."""
        table = self.blocks.hashmap()
        if table.size() + touched > table.capacity() and not self.plan.may_double(table.capacity()):
            raise InputError(
                f"{name}: the surface needs more than the {table.capacity()} blocks planned, and more would take over "
                f"{self.plan.max_memory_gib:g} GiB; raise fuse.max_memory_gib or fuse.voxel_size "
                f"(now {self.plan.voxel_size:g} m)"
            )

    def _image(self, array: Array) -> o3d.t.geometry.Image:
        """As a float32 image on the grid's device."""
        tensor = o3c.Tensor.from_numpy(np.ascontiguousarray(array, np.float32))
        return o3d.t.geometry.Image(tensor.to(self.device))


def _voxel_grid(voxel_size: float, block_count: int, device: o3c.Device) -> o3d.t.geometry.VoxelBlockGrid:
    """A grid with uint16 weights and colours, the smallest that Open3D allows."""
    return o3d.t.geometry.VoxelBlockGrid(
        ("tsdf", "weight", "color"),
        (o3c.float32, o3c.uint16, o3c.uint16),
        [o3c.SizeVector([channels]) for channels in (1, 1, 3)],
        voxel_size,
        BLOCK,
        block_count,
        device,
    )
