"""Kernel of the GPU: one frame's depths into the voxels of the blocks that it touches, by torch operations."""

import torch

from recon3d.fusion.buffers import BLOCK, Buffers

BLOCKS_AT_A_TIME = 2048
"""Blocks that are worked on together: 8 million voxels, some 300 MB of numbers meanwhile."""


def observe(
    slots: torch.Tensor,
    blocks: torch.Tensor,
    pixel_from_voxel: torch.Tensor,
    pixels: torch.Tensor,
    truncation: float,
    into: Buffers,
) -> None:
    """Averages what one frame says of each voxel into the grid's buffers, in place; see `kernel.observe`.

    Args:
        slots: (B,) int32, where each block lies in the buffers; no two the same.
        blocks: (B, 3) int32 block coordinates.
        pixel_from_voxel: (3, 4) float64 projection of voxel indices; pixel (0, 0) spans 0 to 1.
        pixels: (H, W, 5) float32: depth [m], weight, red, green, blue.
        truncation: the distance that is stored as 1 [m].
        into: torch views of the grid's buffers, on the device of all the others.
    """
    height, width = pixels.shape[:2]
    flat = pixels.reshape(-1, pixels.shape[2])
    # within a block, projected voxel indices are sums of one vector each along x, y and z: (3, 16, 16, 16)
    along = torch.arange(BLOCK, device=slots.device, dtype=torch.float32) * pixel_from_voxel[:, :3, None].float()
    within = (along[:, 2, :, None, None] + along[:, 1, None, :, None] + along[:, 0, None, None, :]).reshape(3, -1)
    # a sum of products, not a matrix product, whose rounding may depend on how many blocks there are
    corners = pixel_from_voxel[:, 3] + sum(
        blocks[:, axis, None] * BLOCK * pixel_from_voxel[None, :, axis] for axis in range(3)
    )
    tsdf, weight, evidence = (buffer.view(-1) for buffer in (into.tsdf, into.weight, into.evidence))
    color = into.color.view(-1, 3)
    for start in range(0, len(slots), BLOCKS_AT_A_TIME):
        u, v, z = (corners[start : start + BLOCKS_AT_A_TIME, :, None].float() + within).unbind(1)
        u, v = u / z, v / z
        seen = (z > 0) & (u >= 0) & (u <= width - 1) & (v >= 0) & (v <= height - 1)
        block, voxel = seen.nonzero(as_tuple=True)
        pixel = flat[v[seen].long() * width + u[seen].long()]
        distance = pixel[:, 0] - z[seen]
        near = (pixel[:, 0] > 0) & (distance >= -truncation)
        block, voxel, pixel, distance = block[near], voxel[near], pixel[near], distance[near]
        at = slots[start : start + BLOCKS_AT_A_TIME].long()[block] * BLOCK**3 + voxel
        total = evidence[at] + pixel[:, 1]
        share = pixel[:, 1] / total
        evidence[at] = total
        weight[at] = torch.where(weight[at] == -1, -1, weight[at] + 1)  # -1 has the bits of 65535, the most there is
        tsdf[at] = torch.lerp(tsdf[at], distance.clamp(max=truncation) / truncation, share)
        tint = (color[at].int() & 0xFFFF).float()
        color[at] = (torch.lerp(tint, 255 * pixel[:, 2:], share[:, None]) + 0.5).int().to(torch.int16)
