"""The words all other modules speak: cameras, rigid transforms, frames, point clouds and meshes."""

from recon3d.geometry.camera import Calibration, Camera
from recon3d.geometry.frame import Frame, View
from recon3d.geometry.se3 import SE3
from recon3d.geometry.surface import Mesh, PointCloud, TexturedMesh

__all__ = ["SE3", "Calibration", "Camera", "Frame", "Mesh", "PointCloud", "TexturedMesh", "View"]
