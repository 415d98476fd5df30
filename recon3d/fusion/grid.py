"""Grid: Open3D's voxel block grid, into which frames are averaged pixel by pixel with weights of their own."""

from dataclasses import dataclass

import numpy as np
import open3d as o3d

from recon3d.errors import InputError
from recon3d.fusion.buffers import BLOCK, numpy_buffers, torch_buffers, voxel_grid
from recon3d.fusion.plan import FusePlan
from recon3d.fusion.projection import Projection
from recon3d.fusion.tiles import FAR, WHOLE, Tile, halved
from recon3d.geometry import Frame, Mesh
from recon3d.geometry.arrays import Array

o3c = o3d.core
BLOCKS_AT_ONCE = 256
"""Blocks whose voxels are counted together: bounds the memory."""


class Outgrown(InputError):
    """A tile takes more memory than it may.

    Attributes:
        halves: the tile in two, which may fit one after the other; none of a tile that can't be cut.
    """

    def __init__(self, message: str, halves: tuple[Tile, ...]) -> None:
        super().__init__(message)
        self.halves = halves


@dataclass(frozen=True)
class Grid:
    """The blocks of one tile and those around it, with a finder of touched blocks for each photo size."""

    plan: FusePlan
    tile: Tile
    device: o3c.Device
    blocks: o3d.t.geometry.VoxelBlockGrid
    finders: dict[tuple[int, int], o3d.t.geometry.VoxelBlockGrid]

    @classmethod
    def empty(cls, plan: FusePlan, device: str, tile: Tile = WHOLE) -> "Grid":
        """A grid with room for the plan's blocks; on the GPU where it is asked for and Open3D can use one."""
        use_cuda = (device == "auto" or device.startswith("cuda")) and o3c.cuda.is_available()
        o3d_device = o3c.Device(f"CUDA:{device.partition(':')[2] or 0}" if use_cuda else "CPU:0")
        return cls(plan, tile, o3d_device, voxel_grid(plan.voxel_size, plan.block_count, o3d_device), {})

    def integrate(self, frame: Frame) -> bool:
        """Adds one frame; False where it has no depth.

        Raises:
            InputError: the frame sees beyond what blocks are numbered for, or the surface outgrows the memory.
        """
        if not frame.depth.any():
            return False
        K = frame.camera.K
        K[:2, 2] += 0.5  # the grid truncates pixel coordinates; our pixel centres are integers
        touched = self._touched(frame, K)
        if len(touched):
            self._check_room(frame.name, touched)
            projection = Projection.of(frame, self.plan.voxel_size, self.plan.truncation)
            self._observe(touched, projection, self._pixels(frame))
        return True

    def extract(self, min_weight: float) -> Mesh:
        """The surface where more than `min_weight` observations were averaged."""
        none = np.empty((0, 3))
        nothing = Mesh(none, none.astype(np.int32), none.astype(np.uint8), none.astype(np.float32))
        if not self.blocks.hashmap().size():
            return nothing
        surface = self.blocks.extract_triangle_mesh(float(min_weight)).cpu()
        if "positions" not in surface.vertex or "indices" not in surface.triangle:
            return nothing
        colors = np.rint(surface.vertex.colors.numpy())
        return Mesh(
            surface.vertex.positions.numpy().astype(np.float64),
            surface.triangle.indices.numpy().astype(np.int32),
            np.clip(colors, 0, 255).astype(np.uint8),
            surface.vertex.normals.numpy().astype(np.float32),
        )

    def observed(self, min_weight: float) -> tuple[int, int]:
        """Voxels of the tile within one of the surface: those observed at all, and more than `min_weight` times."""
        table = self.blocks.hashmap()
        slots = table.active_buf_indices().to(o3c.int64)
        slots = slots.cpu().numpy()[self.tile.holds(table.key_tensor()[slots].cpu().numpy())]
        tsdf, count = (self.blocks.attribute(name).cpu().numpy().reshape(-1, BLOCK**3) for name in ("tsdf", "weight"))
        seen = kept = 0
        for some in np.array_split(slots, 1 + len(slots) // BLOCKS_AT_ONCE):
            counts = count[some][np.abs(tsdf[some]) < self.plan.voxel_size / self.plan.truncation]
            seen += int(np.count_nonzero(counts))
            kept += int(np.count_nonzero(counts > min_weight))
        return seen, kept

    def _touched(self, frame: Frame, K: Array) -> Array:
        """(B, 3) int32 blocks of this grid within the truncation of the frame's depths."""
        farthest = float(frame.depth.max())
        reach = float(np.linalg.norm(frame.world_from_cam.t) + 10 * farthest)
        if reach >= FAR * BLOCK * self.plan.voxel_size:
            raise InputError(
                f"{frame.name}: it sees {reach:.3g} m far from the origin, beyond {FAR} blocks of "
                f"{BLOCK * self.plan.voxel_size:.3g} m; wanted poses nearer to the origin, or a larger fuse.voxel_size"
            )
        # The list of touched blocks is sized from the first image a grid sees: each size has a finder of its own.
        size = frame.camera.width, frame.camera.height
        if size not in self.finders:
            self.finders[size] = voxel_grid(self.plan.voxel_size, 1, self.device)
        touched = self.finders[size].compute_unique_block_coordinates(
            o3d.t.geometry.Image(o3c.Tensor.from_numpy(np.ascontiguousarray(frame.depth)).to(self.device)),
            o3c.Tensor.from_numpy(K),
            o3c.Tensor.from_numpy(frame.world_from_cam.inverse().matrix),
            1.0,  # depth in metres
            farthest + 1.0,  # beyond the farthest pixel, as depth at or beyond the limit is dropped
            self.plan.truncation / self.plan.voxel_size,
        )
        blocks: Array = touched.cpu().numpy()
        return blocks if self.tile == WHOLE else blocks[self.tile.holds(blocks, halo=1)]

    def _pixels(self, frame: Frame) -> Array:
        """(H, W, 5) float32: depth [m], weight, red, green, blue."""
        pixels = np.empty((*frame.depth.shape, 5), np.float32)
        pixels[..., 0] = frame.depth
        pixels[..., 1] = 1 if self.plan.trust is None else self.plan.trust.weights(frame)
        pixels[..., 2:] = frame.image
        return pixels

    def _observe(self, touched: Array, projection: Projection, pixels: Array) -> None:
        """Averages the pixels into the touched blocks."""
        blocks = o3c.Tensor.from_numpy(touched).to(self.device)
        self.blocks.hashmap().activate(blocks)
        slots, _ = self.blocks.hashmap().find(blocks)
        if self.device.get_type() == o3c.Device.DeviceType.CPU:
            from recon3d.fusion.kernel import observe

            observe(slots.numpy(), touched, projection, pixels, numpy_buffers(self.blocks))
        else:
            import torch

            from recon3d.fusion import kernel_torch

            device = torch.device("cuda", self.device.get_id())
            kernel_torch.observe(
                torch.from_numpy(slots.cpu().numpy()).to(device),
                torch.from_numpy(touched).to(device),
                projection,
                torch.from_numpy(pixels).to(device),
                torch_buffers(self.blocks),
            )
            torch.cuda.synchronize(device)  # Open3D's next step may run on another stream

    def _check_room(self, name: str, touched: Array) -> None:
        """Refuses a frame that would make the grid double its buffers beyond the planned memory."""
        table = self.blocks.hashmap()
        if table.size() + len(touched) > table.capacity() and not self.plan.may_double(table.capacity()):
            known = table.key_tensor()[table.active_buf_indices().to(o3c.int64)].cpu().numpy()
            raise Outgrown(
                f"{name}: the surface needs more than the {table.capacity()} blocks planned, and more would take over "
                f"{self.plan.max_memory_gib:g} GiB; raise fuse.max_memory_gib or fuse.voxel_size "
                f"(now {self.plan.voxel_size:g} m)",
                halved(self.tile, np.unique(np.concatenate([known, touched]), axis=0)),
            )
