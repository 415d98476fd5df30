import numpy as np
import open3d as o3d
import pytest
import torch
from synthetic import room_frames

from recon3d.fusion import kernel, kernel_torch
from recon3d.fusion.buffers import BLOCK, Buffers, torch_buffers
from recon3d.fusion.grid import Grid
from recon3d.fusion.plan import FusePlan
from recon3d.fusion.projection import Projection

VOXEL = 0.04
PLAN = FusePlan(VOXEL, 4 * VOXEL, 0, 3000, 3, 0.0, 1.0)
NAMES = ("tsdf", "weight", "color", "evidence")
o3c = o3d.core


def _stock(frames, plan):
    """Open3D's own grid of the same frames."""
    grid = o3d.t.geometry.VoxelBlockGrid(
        ("tsdf", "weight", "color"),
        (o3c.float32, o3c.uint16, o3c.uint16),
        [o3c.SizeVector([channels]) for channels in (1, 1, 3)],
        plan.voxel_size,
        BLOCK,
        plan.block_count,
        o3c.Device("CPU:0"),
    )
    for frame in frames:
        K = frame.camera.K
        K[:2, 2] += 0.5
        depth, color = (
            o3d.t.geometry.Image(o3c.Tensor(np.array(image, np.float32))) for image in (frame.depth, frame.image)
        )
        cameras = o3c.Tensor(K), o3c.Tensor(frame.world_from_cam.inverse().matrix)
        reach = 1.0, float(frame.depth.max()) + 1.0, plan.truncation / plan.voxel_size
        touched = grid.compute_unique_block_coordinates(depth, *cameras, *reach)
        grid.integrate(touched, depth, color, *cameras, *reach)
    return grid


def _ours(frames, plan):
    grid = Grid.empty(plan, "cpu")
    for frame in frames:
        grid.integrate(frame)
    return grid.blocks


def _by_block(grid, name):
    """What a grid holds of each voxel, float64, blocks in one order."""
    table = grid.hashmap()
    slots = table.active_buf_indices().numpy()
    keys = table.key_tensor().numpy()[slots]
    return grid.attribute(name).numpy()[slots[np.lexsort(keys.T)]].astype(np.float64)


def test_with_weights_of_one_voxels_hold_what_open3d_gives_them():
    frames = room_frames(3)
    stock, ours = _stock(frames, PLAN), _ours(frames, PLAN)
    assert np.abs(_by_block(stock, "tsdf") - _by_block(ours, "tsdf")).max() < 1e-6
    assert np.array_equal(_by_block(stock, "weight"), _by_block(ours, "weight"))
    # Open3D cuts the fraction off its mean colour in each frame: up to one in 65 025 for each.
    assert np.abs(_by_block(stock, "color") - _by_block(ours, "color")).max() <= len(frames)
    assert np.array_equal(_by_block(ours, "weight"), _by_block(ours, "evidence"))


def _one_frame(seed):
    """A frame's arguments: blocks around a rough surface, and pixels with any weight."""
    random = np.random.default_rng(seed)
    blocks = np.argwhere(np.ones((4, 4, 3), bool)).astype(np.int32) - [2, 2, 0]
    size = 64
    cam_from_world = np.array([[1, 0.01, 0.02, 0.03], [-0.01, 1, 0.03, 0.01], [0.01, 0.02, 1, 0.08]], np.float32)
    intrinsics = np.array([60.0, 60.0, 31.77, 32.13], np.float32)
    projection = Projection(cam_from_world, intrinsics, np.float32(VOXEL), np.float32(0.2))
    pixels = np.empty((size, size, 5), np.float32)
    pixels[..., 0] = random.uniform(0.5, 1.5, (size, size)) * (random.random((size, size)) > 0.2)
    pixels[..., 1] = random.uniform(0.1, 10, (size, size))
    pixels[..., 2:] = random.integers(0, 256, (size, size, 3))
    return random.permutation(len(blocks)).astype(np.int32), blocks.astype(np.int32), projection, pixels


def _tensors(slots, blocks, projection, pixels):
    """The arguments as the torch kernel takes them."""
    return torch.from_numpy(slots), torch.from_numpy(blocks), projection, torch.from_numpy(pixels)


def _empty(count):
    return Buffers(
        np.zeros((count, BLOCK**3), np.float32),
        np.zeros((count, BLOCK**3), np.uint16),
        np.zeros((count, BLOCK**3, 3), np.uint16),
        np.zeros((count, BLOCK**3), np.float32),
    )


def test_both_kernels_agree():
    compiled, tensors = _empty(48), _empty(48)
    views = Buffers(*(torch.from_numpy(a.view(np.int16) if a.itemsize == 2 else a) for a in vars(tensors).values()))
    for seed in range(3):
        slots, blocks, projection, pixels = _one_frame(seed)
        slots = np.arange(48, dtype=np.int32)[::-1].copy()
        kernel.observe(slots, blocks, projection, pixels, compiled)
        kernel_torch.observe(*_tensors(slots, blocks, projection, pixels), views)
    assert compiled.weight.max() == 3
    assert np.array_equal(compiled.weight, tensors.weight)
    assert np.abs(compiled.tsdf - tensors.tsdf).max() < 1e-6
    assert np.allclose(compiled.evidence, tensors.evidence, rtol=1e-6)
    assert np.abs(compiled.color.astype(int) - tensors.color).max() <= 1


def test_blocks_are_the_same_to_the_bit_whatever_is_fused_with_them():
    slots, blocks, projection, pixels = _one_frame(0)
    together, apart = _empty(48), _empty(48)
    kernel.observe(slots, blocks, projection, pixels, together)
    for part in np.array_split(np.arange(48), 7):
        kernel.observe(slots[part], blocks[part], projection, pixels, apart)
    for one, other in zip(vars(together).values(), vars(apart).values(), strict=True):
        assert np.array_equal(one, other)


@pytest.mark.parametrize("observe", ["numba", "torch"])
def test_a_count_stops_at_its_largest_number(observe):
    slots, blocks, projection, pixels = _one_frame(0)
    buffers = _empty(48)
    buffers.weight[:] = 65535
    if observe == "numba":
        kernel.observe(slots, blocks, projection, pixels, buffers)
    else:
        views = Buffers(*(torch.from_numpy(a.view(np.int16) if a.itemsize == 2 else a) for a in vars(buffers).values()))
        kernel_torch.observe(*_tensors(slots, blocks, projection, pixels), views)
    assert (buffers.weight == 65535).all()


def test_torch_writes_into_the_grids_own_memory():
    grid = Grid.empty(PLAN, "cpu").blocks
    torch_buffers(grid).color[7, 5, 2] = 9
    assert grid.attribute("color").numpy()[7, 0, 0, 5, 2] == 9
