"""USD files: meshes with their colours and cameras out, z up, in metres."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from pxr import Gf, Sdf, Tf, Usd, UsdGeom, UsdShade, Vt

from recon3d.errors import InputError
from recon3d.formats.colour import linear_from_srgb
from recon3d.formats.names import as_text
from recon3d.formats.nerfstudio import OPENGL_FROM_OPENCV
from recon3d.geometry import View
from recon3d.geometry.arrays import Array
from recon3d.geometry.surface import Mesh

SENSOR_MM = 36.0
"""Width of the sensor that cameras are written with [mm]: only its ratio to the focal length says anything."""
UNITS_PER_MM = 0.01
"""USD counts focal length and aperture in tenths of a scene unit, which is a metre here."""
ROOT = "/recon3d"


def write_usd(path: Path, mesh: Mesh, comment: str = "", views: Sequence[View] = ()) -> None:
    """Writes a mesh, and cameras of photos, as USD: binary for .usd and .usdc, text for .usda.

    Colours are the primvar displayColor in linear light, wired to the material's diffuse colour. Cameras have the
    right focal length, and the principal point as aperture offset.

    Args:
        path: the file.
        mesh: what to write [m].
        comment: kept with the file as `comment` and with the root as custom data.
        views: photos whose cameras are to go along.

    Raises:
        InputError: the mesh is empty.
        OSError: the file can't be written.
    """
    if not len(mesh.triangles):
        raise InputError(f"{path}: the mesh is empty (0 triangles), wanted something to write")
    stage = Usd.Stage.CreateInMemory()
    UsdGeom.SetStageUpAxis(stage, UsdGeom.Tokens.z)
    UsdGeom.SetStageMetersPerUnit(stage, 1.0)
    root = UsdGeom.Xform.Define(stage, ROOT)
    stage.SetDefaultPrim(root.GetPrim())
    if comment:
        stage.GetRootLayer().comment = comment
        root.GetPrim().SetCustomDataByKey("scale", comment)
    _define_mesh(stage, mesh)
    names: set[str] = set()
    for view in views:
        _define_camera(stage, view, names)
    try:
        stage.GetRootLayer().Export(str(path))
    except Tf.ErrorException as error:
        first = str(error).strip().partition("\n")[2].partition(" : ")[2]  # where in USD's source, and what
        raise OSError(f"USD: {first.partition(chr(10))[0]}") from error


def _define_mesh(stage: Usd.Stage, mesh: Mesh) -> None:
    """The mesh with a material that shows its colours."""
    prim = UsdGeom.Mesh.Define(stage, f"{ROOT}/mesh")
    points = np.ascontiguousarray(mesh.vertices, np.float32)
    prim.CreatePointsAttr(Vt.Vec3fArray.FromNumpy(points))
    prim.CreateFaceVertexCountsAttr(Vt.IntArray.FromNumpy(np.full(len(mesh.triangles), 3, np.int32)))
    prim.CreateFaceVertexIndicesAttr(Vt.IntArray.FromNumpy(np.ascontiguousarray(mesh.triangles).ravel()))
    prim.CreateSubdivisionSchemeAttr(UsdGeom.Tokens.none)
    prim.CreateDoubleSidedAttr(True)  # a scan is open: it is seen from behind as well
    prim.CreateExtentAttr(Vt.Vec3fArray.FromNumpy(np.stack([points.min(axis=0), points.max(axis=0)])))
    if mesh.normals is not None:
        prim.CreateNormalsAttr(Vt.Vec3fArray.FromNumpy(np.ascontiguousarray(mesh.normals)))
        prim.SetNormalsInterpolation(UsdGeom.Tokens.vertex)
    colors = prim.CreateDisplayColorPrimvar(UsdGeom.Tokens.vertex)
    colors.Set(Vt.Vec3fArray.FromNumpy(linear_from_srgb(mesh.colors).astype(np.float32)))
    material = UsdShade.Material.Define(stage, f"{ROOT}/photo_colours")
    reader = UsdShade.Shader.Define(stage, f"{ROOT}/photo_colours/colour")
    reader.CreateIdAttr("UsdPrimvarReader_float3")
    reader.CreateInput("varname", Sdf.ValueTypeNames.String).Set("displayColor")
    surface = UsdShade.Shader.Define(stage, f"{ROOT}/photo_colours/surface")
    surface.CreateIdAttr("UsdPreviewSurface")
    surface.CreateInput("roughness", Sdf.ValueTypeNames.Float).Set(1.0)
    surface.CreateInput("diffuseColor", Sdf.ValueTypeNames.Color3f).ConnectToSource(
        reader.CreateOutput("result", Sdf.ValueTypeNames.Float3)
    )
    material.CreateSurfaceOutput().ConnectToSource(surface.CreateOutput("surface", Sdf.ValueTypeNames.Token))
    UsdShade.MaterialBindingAPI.Apply(prim.GetPrim()).Bind(material)


def _define_camera(stage: Usd.Stage, view: View, names: set[str]) -> None:
    """The camera of a photo, with a name that USD allows and none has yet."""
    name = Tf.MakeValidIdentifier(as_text(view.name))
    while name in names:
        name += "_"
    names.add(name)
    prim = UsdGeom.Camera.Define(stage, f"{ROOT}/cameras/{name}")
    prim.GetPrim().SetDisplayName(as_text(view.name))
    camera = view.camera
    aperture = SENSOR_MM * UNITS_PER_MM
    focal = aperture * camera.fx / camera.width
    height = focal * camera.height / camera.fy
    prim.CreateProjectionAttr(UsdGeom.Tokens.perspective)
    prim.CreateFocalLengthAttr(focal)
    prim.CreateHorizontalApertureAttr(aperture)
    prim.CreateVerticalApertureAttr(height)
    prim.CreateHorizontalApertureOffsetAttr(aperture * (0.5 - (camera.cx + 0.5) / camera.width))
    prim.CreateVerticalApertureOffsetAttr(height * ((camera.cy + 0.5) / camera.height - 0.5))
    prim.CreateClippingRangeAttr(Gf.Vec2f(0.01, 1000.0))
    prim.AddTransformOp().Set(_row_vectors(view.world_from_cam.matrix @ OPENGL_FROM_OPENCV))


def _row_vectors(matrix: Array) -> Gf.Matrix4d:
    """USD multiplies from the left."""
    return Gf.Matrix4d(matrix.T.tolist())
