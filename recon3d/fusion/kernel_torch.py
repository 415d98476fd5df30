"""Kernel of the GPU: one frame's depths into the voxels of the blocks that it touches, by torch operations."""

import torch

from recon3d.fusion.buffers import BLOCK, Buffers
from recon3d.fusion.projection import Projection

BLOCKS_AT_A_TIME = 2048
"""Blocks that are worked on together: 8 million voxels, some 300 MB of numbers meanwhile."""


def observe(
    slots: torch.Tensor, blocks: torch.Tensor, projection: Projection, pixels: torch.Tensor, into: Buffers
) -> None:
    """Averages what one frame says of each voxel into the grid's buffers, in place; see `kernel.observe`.

    Args:
        slots: (B,) int32, where each block lies in the buffers; no two the same.
        blocks: (B, 3) int32 block coordinates.
        projection: into the photo.
        pixels: (H, W, 5) float32: depth [m], weight, red, green, blue.
        into: torch views of the grid's buffers, on the device of all the others.
    """
    height, width = pixels.shape[:2]
    flat = pixels.reshape(-1, pixels.shape[2])
    fx, fy, cx, cy = projection.intrinsics.tolist()
    cam_from_world = torch.from_numpy(projection.cam_from_world).to(slots.device)
    truncation = float(projection.truncation)
    # (B, 3, 16): where voxels stand along each axis
    places = blocks[:, :, None] * BLOCK + torch.arange(BLOCK, device=slots.device, dtype=torch.int32)
    places = places.float() * float(projection.voxel_size)
    tsdf, weight, evidence = (buffer.view(-1) for buffer in (into.tsdf, into.weight, into.evidence))
    color = into.color.view(-1, 3)
    for start in range(0, len(slots), BLOCKS_AT_A_TIME):
        along = places[start : start + BLOCKS_AT_A_TIME, None] * cam_from_world[None, :, :3, None]  # (b, 3, 3, 16)
        x, y, z = (
            ((along[:, i, 0, None, None, :] + along[:, i, 1, None, :, None]) + along[:, i, 2, :, None, None])
            .add_(cam_from_world[i, 3])
            .reshape(-1, BLOCK**3)
            for i in range(3)
        )
        inverse = 1 / z
        u, v = fx * x * inverse + cx, fy * y * inverse + cy
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
