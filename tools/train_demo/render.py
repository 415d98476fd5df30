"""Ray-casts photos of a room with exact depth: texture, window and lamp light, soft shadows, one bounce, gloss."""

import math
from dataclasses import dataclass

import numpy as np
import open3d as o3d
from numpy.typing import NDArray

from train_demo.textures import LEVELS, SIZE, Library
from train_demo.walls import Room

Array = NDArray[np.float32]
BOUNCES = 3  # hemisphere rays a pixel of the half-size light buffer


@dataclass(frozen=True)
class View:
    """A camera: size and focal length [px], position [m], and camera axes (right, down, forward) as rows."""

    width: int
    height: int
    focal: float
    position: tuple[float, float, float]
    axes: tuple[tuple[float, float, float], ...]


def look(position: Array, heading: float, pitch: float, roll: float, width: int, height: int, focal: float) -> View:
    """A view from angles [rad]: heading about z from x, pitch upwards, roll about the optical axis."""
    ch, sh, cp, sp = math.cos(heading), math.sin(heading), math.cos(pitch), math.sin(pitch)
    forward = np.array((ch * cp, sh * cp, sp))
    right = np.array((sh, -ch, 0.0))
    down = np.cross(forward, right)
    c, s = math.cos(roll), math.sin(roll)
    axes = np.stack((c * right + s * down, c * down - s * right, forward))
    return View(width, height, focal, tuple(position.tolist()), tuple(map(tuple, axes.tolist())))


class Renderer:
    """One room, ready for ray casting."""

    def __init__(self, room: Room, library: Library, rng: np.random.Generator) -> None:
        soup = room.soup
        self.room, self.library, self.rng = room, library, rng
        self.corners = np.concatenate(soup.corners)
        self.uvs, self.normals = np.concatenate(soup.uvs), np.concatenate(soup.normals)
        self.owner = np.concatenate(soup.owners)
        self.scene = o3d.t.geometry.RaycastingScene(nthreads=1)
        count = len(self.corners)
        self.scene.add_triangles(
            o3d.core.Tensor(self.corners.reshape(-1, 3)),
            o3d.core.Tensor(np.arange(3 * count, dtype=np.uint32).reshape(-1, 3)),
        )
        self.texture = np.array([m.texture for m in soup.materials], np.int64)
        self.repeat = np.array([m.repeat or 1.0 for m in soup.materials], np.float32)
        self.dark = np.array([m.dark for m in soup.materials], np.float32)
        self.light = np.array([m.light for m in soup.materials], np.float32)
        self.gloss = np.array([m.gloss for m in soup.materials], np.float32)
        self.emission = np.array([m.emission for m in soup.materials], np.float32)
        mean = library.flat[library.first[LEVELS - 1] + self.texture].astype(np.float32) / 255
        self.mean = self.dark + (self.light - self.dark) * mean
        self.ambient = self._ambient()

    def _ambient(self) -> Array:
        """Irradiance of the room's third and later bounces, the same everywhere."""
        w, d, h = self.room.size
        area = 2 * (w * d + w * h + d * h)
        flux = np.full(3, 0.02, np.float32)
        for win in self.room.windows:
            flux += win.radiance * np.pi * np.linalg.norm(win.across) * np.linalg.norm(win.up)
        for _, power in self.room.lamps:
            flux += power * 4 * np.pi
        return (0.7 * flux / area).astype(np.float32)

    def cast(self, origin: Array, direction: Array) -> tuple[Array, NDArray[np.int64], Array]:
        """Casts (N, 3) rays: distance in units of `direction`, triangle (-1 = none), barycentric (N, 2)."""
        rays = np.concatenate((origin, direction), 1).astype(np.float32)
        hit = self.scene.cast_rays(o3d.core.Tensor(rays), nthreads=1)
        triangle = hit["primitive_ids"].numpy().astype(np.int64)
        distance = hit["t_hit"].numpy()
        return distance, np.where(np.isfinite(distance), triangle, -1), hit["primitive_uvs"].numpy()

    def visible(self, origin: Array, target: Array) -> Array:
        """1 where nothing stands between origin and target, (N,)."""
        rays = np.concatenate((origin, target - origin), 1).astype(np.float32)
        blocked = self.scene.test_occlusions(o3d.core.Tensor(rays), 0.0, 0.97, nthreads=1).numpy()
        return (~blocked).astype(np.float32)

    def unshadowed(self, points: Array, normals: Array) -> Array:
        """Rough irradiance at points hit by a bounce, without shadows, (N, 3)."""
        total = np.broadcast_to(self.ambient, points.shape).copy()
        for win in self.room.windows:
            centre = win.corner + (win.across + win.up) / 2
            area = float(np.linalg.norm(win.across) * np.linalg.norm(win.up))
            d = centre - points
            r2 = np.einsum("ij,ij->i", d, d)
            cosines = np.maximum(np.einsum("ij,ij->i", normals, d), 0) * np.maximum(-(d @ win.inward), 0)
            total += (cosines * area / (r2 * (r2 + area)))[:, None] * win.radiance
        for place, power in self.room.lamps:
            d = place - points
            r2 = np.einsum("ij,ij->i", d, d) + 0.1
            total += (np.maximum(np.einsum("ij,ij->i", normals, d), 0) / r2**1.5)[:, None] * power
        return total

    def far_light(self, origin: Array, direction: Array, *, panes: bool) -> Array:
        """Rough radiance that comes along rays, (N, 3): one bounce from mean colours."""
        distance, triangle, _ = self.cast(origin, direction)
        safe = np.maximum(triangle, 0)
        owner, normal = self.owner[safe], self.normals[safe, 0]
        normal = np.where((normal * direction).sum(1, keepdims=True) > 0, -normal, normal)
        points = origin + direction * np.where(np.isfinite(distance), distance, 0)[:, None]
        emission = self.emission[owner][:, None]
        out = self.mean[owner] * (self.unshadowed(points, normal) / np.pi + np.maximum(emission, 0))
        out = np.where(emission < 0, self.mean[owner] if panes else 0.0, out)
        return np.where((triangle < 0)[:, None], 0.1, out).astype(np.float32)

    def render(self, view: View) -> tuple[Array, Array]:
        """Renders a view: (H, W, 3) linear RGB radiance and (H, W) depth along z [m], 0 = none."""
        w, h, rng = view.width, view.height, self.rng
        axes = np.array(view.axes, np.float32)
        jitter = rng.uniform(-0.5, 0.5, (2, h, w)).astype(np.float32) * 0.7
        u, v = np.meshgrid(np.arange(w, dtype=np.float32), np.arange(h, dtype=np.float32))
        x, y = (u + jitter[0] - (w - 1) / 2) / view.focal, (v + jitter[1] - (h - 1) / 2) / view.focal
        local = np.stack((x, y, np.ones_like(x)), -1).reshape(-1, 3)
        rays = local @ axes
        origin = np.broadcast_to(np.array(view.position, np.float32), rays.shape)
        depth, triangle, bary = self.cast(origin, rays)  # local z is 1, so distance is depth
        hit = triangle >= 0
        safe, depth = np.maximum(triangle, 0), np.where(hit, depth, 0).astype(np.float32)
        b, c = bary[:, :1], bary[:, 1:]
        a = 1 - b - c
        normal = a * self.normals[safe, 0] + b * self.normals[safe, 1] + c * self.normals[safe, 2]
        normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-6)
        length = np.linalg.norm(rays, axis=1)
        facing = (normal * rays).sum(1)
        normal = np.where(facing[:, None] > 0, -normal, normal)
        slope = np.maximum(np.abs(facing) / length, 0.05)
        uv = a * self.uvs[safe, 0] + b * self.uvs[safe, 1] + c * self.uvs[safe, 2]
        owner = self.owner[safe]
        repeat = self.repeat[owner]
        texels = depth / view.focal * repeat * SIZE / np.sqrt(slope)
        t = self.library.lookup(self.texture[owner], uv * repeat[:, None], np.log2(np.maximum(texels, 1)))
        albedo = self.dark[owner] + (self.light[owner] - self.dark[owner]) * t
        points = origin + rays * depth[:, None]
        irradiance = self._light(points.reshape(h, w, 3), normal.reshape(h, w, 3), depth.reshape(h, w))
        colour = albedo * (irradiance.reshape(-1, 3) / np.pi + np.maximum(self.emission[owner], 0)[:, None])
        gloss = self.gloss[owner] * (1 + 4 * (1 - slope) ** 3)
        shiny = np.flatnonzero((gloss > 0.01) & hit)
        if len(shiny):
            n, r = normal[shiny], rays[shiny] / length[shiny, None]
            r = r - 2 * (r * n).sum(1, keepdims=True) * n + rng.normal(0, 0.04, (len(shiny), 3))
            mirrored = self.far_light((points[shiny] + n * 2e-3), r.astype(np.float32), panes=True)
            colour[shiny] += np.minimum(gloss[shiny], 0.6)[:, None] * mirrored
        colour = np.where(self.emission[owner][:, None] < 0, albedo, colour)
        colour = np.where(hit[:, None], colour, 0.3)
        return colour.reshape(h, w, 3).astype(np.float32), depth.reshape(h, w)

    def _light(self, points: Array, normals: Array, depth: Array) -> Array:
        """Irradiance (H, W, 3): computed at every second pixel, smoothed and filled in along surfaces."""
        rng = self.rng
        p2, n2 = points[::2, ::2], normals[::2, ::2]
        rows, cols = p2.shape[:2]
        n = n2.reshape(-1, 3)
        p = p2.reshape(-1, 3) + n * 2e-3
        count = len(p)
        total = np.zeros((count, 3), np.float32)
        for win in self.room.windows:
            s = rng.random((count, 2), dtype=np.float32)
            target = win.corner + s[:, :1] * win.across + s[:, 1:] * win.up
            d = target - p
            r2 = np.maximum(np.einsum("ij,ij->i", d, d), 0.05)
            cosines = np.maximum(np.einsum("ij,ij->i", n, d), 0) * np.maximum(-(d @ win.inward), 0)
            area = float(np.linalg.norm(win.across) * np.linalg.norm(win.up))
            e = cosines * area / (r2 * r2)
            lit = np.flatnonzero(e > 1e-4)
            e[lit] *= self.visible(p[lit], target[lit])
            total += e[:, None] * win.radiance
        for place, power in self.room.lamps:
            target = place + rng.normal(0, 0.06, (count, 3)).astype(np.float32)
            d = target - p
            r2 = np.maximum(np.einsum("ij,ij->i", d, d), 0.05)
            e = np.maximum(np.einsum("ij,ij->i", n, d), 0) / r2**1.5
            lit = np.flatnonzero(e > 1e-4)
            e[lit] *= self.visible(p[lit], target[lit])
            total += e[:, None] * power
        share = rng.random((BOUNCES, count, 2), dtype=np.float32)
        for k in range(BOUNCES):  # cosine-weighted: a point on the unit sphere around the normal's tip
            z, phi = 1 - 2 * (share[k, :, 0] * 0.98 + 0.01), 2 * np.pi * share[k, :, 1]
            r = np.sqrt(1 - z * z)
            d = n + np.stack((r * np.cos(phi), r * np.sin(phi), z), 1)
            total += (np.pi / BOUNCES) * self.far_light(p, d.astype(np.float32), panes=False)
        z2 = depth[::2, ::2]
        light = smooth(total.reshape(rows, cols, 3), n2, z2)
        if self.room.sun is not None and self.room.sun_colour is not None:
            cos = np.maximum(n @ self.room.sun, 0)
            lit = np.flatnonzero(cos > 0.01)
            if len(lit):
                _, triangle, _ = self.cast(p[lit], np.broadcast_to(self.room.sun, (len(lit), 3)))
                through = (triangle < 0) | (self.emission[self.owner[np.maximum(triangle, 0)]] < 0)
                sunny = np.zeros(count, np.float32)
                sunny[lit] = cos[lit] * through
                light = light + sunny.reshape(rows, cols, 1) * self.room.sun_colour
        return fill(light, n2, z2, normals, depth)


def _likeness(n0: Array, z0: Array, n1: Array, z1: Array) -> Array:
    """How surely two pixels lie on one smooth surface, 0 to 1."""
    same = np.maximum(np.einsum("...i,...i->...", n0, n1), 0.0)
    same *= same
    same *= same
    gap = np.abs(z0 - z1) / (np.maximum(z0, 0.1) * 0.04)
    return same / (1 + gap * gap)


def smooth(light: Array, normals: Array, depth: Array) -> Array:
    """Edge-avoiding blur of (H, W, 3), three rounds with growing steps."""
    for step in (1, 2, 4):
        pad = ((step, step), (step, step))
        big_l = np.pad(light, (*pad, (0, 0)), mode="edge")
        big_n = np.pad(normals, (*pad, (0, 0)), mode="edge")
        big_z = np.pad(depth, pad, mode="edge")
        rows, cols = depth.shape
        total, weight = light.copy(), np.ones_like(depth)
        for i in (0, step, 2 * step):
            for j in (0, step, 2 * step):
                if i == step and j == step:
                    continue
                at = (slice(i, i + rows), slice(j, j + cols))
                w = _likeness(normals, depth, big_n[at], big_z[at])
                total += big_l[at] * w[..., None]
                weight += w
        light = total / weight[..., None]
    return light


def fill(light: Array, n2: Array, z2: Array, normals: Array, depth: Array) -> Array:
    """Doubles the size of (H/2, W/2, 3) light along the surfaces of the full picture."""
    rows, cols = z2.shape
    out = np.empty((*depth.shape, 3), np.float32)
    down, right = np.minimum(np.arange(rows) + 1, rows - 1), np.minimum(np.arange(cols) + 1, cols - 1)
    for i in (0, 1):
        for j in (0, 1):
            n, z = normals[i::2, j::2], depth[i::2, j::2]
            total, weight = 0.0, 1e-6
            for a in range(i + 1):
                for b in range(j + 1):
                    pick = np.ix_(down if a else np.arange(rows), right if b else np.arange(cols))
                    w = _likeness(n, z, n2[pick], z2[pick]) + 1e-4
                    total = total + light[pick] * w[..., None]
                    weight = weight + w
            out[i::2, j::2] = total / np.asarray(weight)[..., None]
    return out
