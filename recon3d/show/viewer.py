"""Viewer: a scene in Open3D's window, with the keys and clicks that it understands."""

import os
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import open3d as o3d

from recon3d.errors import StageError
from recon3d.geometry import SE3, Camera
from recon3d.geometry.arrays import Array
from recon3d.show.drawn import drawn_cloud, drawn_mark, drawn_mesh, drawn_photo, drawn_ruler
from recon3d.show.exhibit import Exhibit
from recon3d.show.mouse import Mouse
from recon3d.show.palette import depth_colors, depth_range, in_view
from recon3d.show.pick import Surface, cloud_hit, fitted, photo_hit, ray
from recon3d.show.ruler import Measured
from recon3d.show.screenshot import BACKGROUND
from recon3d.show.viewpoint import FOV, looking

HELP = (
    "drag: turn, right drag: move, wheel: nearer; click a photo: look from there, N P: next, previous, H: whole scene; "
    "M C F: mesh, cloud, photos; D: colours by distance; [ ]: cut off from above; R: ruler; L: light; Q: quit"
)
STEPS = 40
"""Steps from the top to the bottom of the scene in which [ and ] cut."""
NEAR, FAR = 0.002, 20.0
"""From where to where things are drawn, of the scene's diagonal."""
_IDLE = "BOSWI"
"""Keys of Open3D's own that would write files into the working folder, or undo what is shown here."""


def view(exhibit: Exhibit, say: Callable[[str], None]) -> None:
    """Opens a window and returns when it is closed.

    Args:
        exhibit: what is shown.
        say: told of the keys, and of what is measured.

    Raises:
        StageError: there is no display to open a window on, or the window can't be opened.
    """
    viewer = Viewer(exhibit, say)
    say(HELP)
    viewer.run()


class Viewer:
    """An open window; `press` and `click` do what keys and mouse do.

    Attributes:
        shown: of each layer, by its key, whether it is shown.
        by_distance: colours say how far things are, instead of what the photos saw.
        cut: height above which nothing is drawn [m].
        measuring: clicks set the ends of the ruler.
        ends: those that are set, each (3,) [m].
        photo: the place of the photo that was last looked from; None = none.
    """

    def __init__(self, exhibit: Exhibit, say: Callable[[str], None], width: int = 1280, height: int = 900) -> None:
        _check_display()
        if exhibit.mesh is None and exhibit.cloud is None and not exhibit.photos:
            raise StageError("view: nothing to show: no mesh, no cloud and no cameras")
        self._exhibit, self._say = exhibit, say
        self._window = o3d.visualization.VisualizerWithKeyCallback()
        if not self._window.create_window(f"recon3d {exhibit.name}   {HELP}", width, height):
            raise StageError("view: the window could not be opened; --screenshot OUT.png draws without one")
        self.shown = {"M": exhibit.mesh is not None, "C": exhibit.mesh is None, "F": True}
        self.by_distance, self.cut, self.measuring = False, np.inf, False
        self.photo: int | None = None
        self.ends: list[Array] = []
        self._layers: dict[str, list[Any]] = {"M": [], "C": [], "F": [], "R": []}
        self._surface: Surface | None = None
        self._fill()
        self._listen()
        options = self._window.get_render_option()
        options.background_color = np.array(BACKGROUND) / 255
        options.mesh_show_back_face = False
        options.light_on = False  # the photos' colours hold the room's own light
        low, high = exhibit.bounds()
        size = float(np.linalg.norm(high - low)) or 1.0
        # Open3D's own guess cuts flat scenes off, and those seen from within
        self._window.get_view_control().set_constant_z_near(NEAR * size)
        self._window.get_view_control().set_constant_z_far(FAR * size)
        self.home()

    def run(self) -> None:
        """Returns when the window is closed."""
        self._window.run()
        self.close()

    def close(self) -> None:
        """Closes the window."""
        self._window.destroy_window()

    def press(self, key: str) -> None:
        """Does what a key does."""
        if key in "MCF":
            self.photo = None if key == "F" else self.photo
            self.shown[key] = not self.shown[key]
            self._draw(key)
        elif key == "D":
            self.by_distance = not self.by_distance
            self._recolor()
        elif key in "[]":
            self._cut_by(-1 if key == "[" else 1)
        elif key == "R":
            self.measuring, self.ends = not self.measuring, []
            self._draw_ruler()
            self._say("ruler: click two points" if self.measuring else "ruler: off")
        elif key in "NP" and self._exhibit.photos:
            step, count = (1 if key == "N" else -1), len(self._exhibit.photos)
            self.look((self.photo + step) % count if self.photo is not None else (0 if step > 0 else count - 1))
        elif key == "H":
            self.home()

    def click(self, u: float, v: float) -> None:
        """Does what a click at a pixel does: sets an end of the ruler, or looks from the photo that is there."""
        origin, direction = ray(*self.eye(), (u, v))
        point = self._point(origin, direction)
        if self.measuring:
            self._measure(point)
            return
        shown = self._exhibit.photos if "F" in self._there else ()
        found = photo_hit(shown, self._length, origin, direction)
        if found and (point is None or found[1] < (point - origin) @ direction / (direction @ direction)):
            self.look(found[0])

    def look(self, photo: int) -> None:
        """Looks from where a photo was taken, so that all of it is in the window."""
        camera, _ = self.eye()
        chosen = self._exhibit.photos[photo]
        self.photo = photo
        self._aim(fitted(chosen.camera, camera.width, camera.height), chosen.world_from_cam)
        self._draw("F")
        self._say(f"photo {chosen.name}")

    def leave(self) -> None:
        """No longer looks from a photo: the cameras are drawn again."""
        self.photo = None
        self._draw("F")

    def home(self) -> None:
        """Looks at all of the scene from above."""
        window, _ = self.eye()
        camera = Camera.from_fov(window.width, window.height, FOV)
        eye, target = self._exhibit.overview(camera)
        self.leave()
        self._aim(camera, looking(eye, target, self._exhibit.up))

    def eye(self) -> tuple[Camera, SE3]:
        """The window's camera, and its `world_from_cam`."""
        seen = self._window.get_view_control().convert_to_pinhole_camera_parameters()
        k = seen.intrinsic.intrinsic_matrix
        camera = Camera(seen.intrinsic.width, seen.intrinsic.height, k[0, 0], k[1, 1], k[0, 2], k[1, 2])
        return camera, SE3.from_matrix(np.asarray(seen.extrinsic)).inverse()

    def picture(self) -> Array:
        """(H, W, 3) uint8 sRGB: what the window shows."""
        self._window.poll_events()
        seen = np.asarray(self._window.capture_screen_float_buffer(do_render=True))
        picture: Array = np.rint(seen * 255).astype(np.uint8)
        return picture

    def depth(self) -> Array:
        """(H, W) float32: the distance along the view of what the window shows [m], 0 = nothing."""
        self._window.poll_events()
        seen: Array = np.asarray(self._window.capture_depth_float_buffer(do_render=True))
        return seen

    # What is drawn

    def _fill(self) -> None:
        """Makes the layers and shows those that are shown at first."""
        exhibit = self._exhibit
        self._length = exhibit.frustum_length()
        if exhibit.mesh is not None:
            self._layers["M"] = [drawn_mesh(exhibit.mesh)]
        if exhibit.cloud is not None:
            self._layers["C"] = [drawn_cloud(exhibit.cloud)]
        self._layers["F"] = [thing for photo in exhibit.photos for thing in drawn_photo(photo, self._length)]
        for key in "MCF":
            for thing in self._layers[key] if self.shown[key] else ():
                self._window.add_geometry(thing)
        self._there = {key for key, on in self.shown.items() if on}

    def _draw(self, key: str) -> None:
        """Puts a layer in or takes it out; the cameras are out of the way while one looks from one of them."""
        wanted = self.shown[key] and not (key == "F" and self.photo is not None)
        if wanted == (key in self._there):
            return
        act = self._window.add_geometry if wanted else self._window.remove_geometry
        for thing in self._layers[key]:
            act(thing, reset_bounding_box=False)
        self._there ^= {key}

    def _recolor(self) -> None:
        """Gives mesh and cloud the colours of the photos, or those of the distance from where one looks now."""
        camera, eye = self.eye()
        mesh, cloud = self._exhibit.mesh, self._exhibit.cloud
        points = {"M": mesh.vertices} if mesh is not None else {}
        colors = {"M": mesh.colors} if mesh is not None else {}
        if cloud is not None:
            points["C"], colors["C"] = cloud.points, cloud.colors
        if self.by_distance and points:
            local = {key: eye.inverse() @ places for key, places in points.items()}
            near, far = depth_range(in_view(next(iter(local.values())), camera))
            colors = {key: depth_colors(places[:, 2], near, far) for key, places in local.items()}
            self._say(f"colours by distance: yellow {near:.1f} m, violet {far:.1f} m")
        for key, painted in colors.items():
            (thing,) = self._layers[key]
            vectors = o3d.utility.Vector3dVector(painted / 255)
            setattr(thing, "vertex_colors" if key == "M" else "colors", vectors)
            self._window.update_geometry(thing)

    def _cut_by(self, steps: int) -> None:
        """Moves the height above which nothing of the surface is drawn; something is always left."""
        low, high = sorted(self._exhibit.bounds() @ self._exhibit.up)
        at = min(self.cut, high) + steps * ((high - low) / STEPS or 1.0)
        mesh, up, cut = self._exhibit.mesh, self._exhibit.up, np.inf if at >= high else at
        if mesh is None:
            return
        kept = ((mesh.vertices @ up)[mesh.triangles] <= cut).all(axis=1)
        if kept.any():
            self.cut = cut
            self._layers["M"][0].triangles = o3d.utility.Vector3iVector(mesh.triangles[kept])
            self._window.update_geometry(self._layers["M"][0])
        self._say("cut off: nothing" if np.isinf(self.cut) else f"cut off above {self.cut - low:.2f} m")

    def _measure(self, point: Array | None) -> None:
        """Sets an end of the ruler; the third begins anew."""
        if point is None:
            self._say("ruler: nothing there, click on the surface")
            return
        self.ends = [point] if len(self.ends) == 2 else [*self.ends, point]
        self._draw_ruler()
        if len(self.ends) == 2:
            self._say(f"ruler: {Measured(self.ends[0], self.ends[1], self._exhibit.scale_sigma).text}")

    def _draw_ruler(self) -> None:
        for thing in self._layers["R"]:
            self._window.remove_geometry(thing, reset_bounding_box=False)
        _, eye = self.eye()
        if len(self.ends) == 2:
            self._layers["R"] = drawn_ruler(Measured(self.ends[0], self.ends[1], self._exhibit.scale_sigma), eye)
        else:
            self._layers["R"] = [drawn_mark(end, eye) for end in self.ends]
        for thing in self._layers["R"]:
            self._window.add_geometry(thing, reset_bounding_box=False)

    # What is seen

    def _point(self, origin: Array, direction: Array) -> Array | None:
        """The first drawn point of mesh or cloud along a ray."""
        found, exhibit = [], self._exhibit
        if exhibit.mesh is not None and self.shown["M"]:
            self._surface = self._surface or Surface(exhibit.mesh)
            found.append(self._surface.hit(origin, direction, up=exhibit.up, cut=self.cut))
        if exhibit.cloud is not None and self.shown["C"]:
            found.append(cloud_hit(exhibit.cloud, origin, direction, up=exhibit.up, cut=np.inf))
        points = [point for point in found if point is not None]
        return min(points, key=lambda point: float(np.linalg.norm(point - origin)), default=None)

    def _aim(self, camera: Camera, world_from_cam: SE3) -> None:
        wanted = o3d.camera.PinholeCameraParameters()
        wanted.intrinsic = o3d.camera.PinholeCameraIntrinsic(camera.width, camera.height, camera.K)
        wanted.extrinsic = world_from_cam.inverse().matrix
        self._window.get_view_control().convert_from_pinhole_camera_parameters(wanted, allow_arbitrary=True)

    # What is heard

    def _listen(self) -> None:
        for key in "MCFDRNPH[]":
            self._window.register_key_callback(ord(key), self._pressing(key))
        for key in _IDLE:
            self._window.register_key_callback(ord(key), lambda _: False)
        self._mouse = Mouse(self._window, self.click, self.leave)

    def _pressing(self, key: str) -> Callable[[Any], bool]:
        def act(_: Any) -> bool:
            self.press(key)
            return True

        return act


def _check_display() -> None:
    """Raises StageError where there is no display."""
    if sys.platform.startswith("linux") and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        raise StageError(
            "view: no display here (DISPLAY and WAYLAND_DISPLAY are not set); --screenshot OUT.png draws without one, "
            "--web makes a page for any browser"
        )
