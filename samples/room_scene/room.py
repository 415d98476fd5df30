"""The room itself: shell, window, light, and where every piece stands.

4.6 m (x) × 3.8 m (y) × 2.6 m (z), floor at z = 0. Sofa wall x = 0, shelf wall x = 4.6, brick wall y = 0, window wall
y = 3.8. The window wall is plain paint (nothing to match there) and the screen on the brick wall mirrors the room: the
two places where depth is meant to be hard.
"""

import math

import bpy
import numpy as np

from . import furniture, prints, surfaces, things
from .materials import linear, painted, plain
from .shapes import box, panel, place, rod

WIDTH, DEPTH, HEIGHT = 4.6, 3.8, 2.6
WINDOW = (1.25, 2.85, 0.85, 2.2)
"""x from, x to, z from, z to [m]."""
BACKDROP = "garden"
"""Name of the picture outside the window: seen in photos, absent from the truth."""


def make_materials(rng: np.random.Generator) -> dict[str, bpy.types.Material]:
    """Every material by name."""
    greens = [(112, 132, 98), (86, 108, 92), (138, 148, 112), (96, 122, 116)]
    cloth = {"roughness": 0.95, "sheen": 0.15}
    made = [
        painted("floor", surfaces.floor(3066, 2533, 80, rng), (4.6, 3.8), roughness=0.42, bump=0.0006),
        painted("brick", surfaces.bricks(2300, 1300, 500, rng), (4.6, 2.6), roughness=0.9, bump=0.006),
        painted(
            "wallpaper",
            surfaces.sprigs(2280, 1560, (216, 214, 198), 88, greens, rng),
            (3.8, 2.6),
            roughness=0.8,
        ),
        painted(
            "limewash",
            surfaces.plaster(1900, 1300, (212, 186, 148), rng),
            (3.8, 2.6),
            roughness=0.9,
            bump=0.002,
        ),
        painted(
            "ceiling",
            surfaces.plaster(1500, 1240, (226, 222, 214), rng),
            (4.6, 3.8),
            roughness=0.9,
            bump=0.002,
        ),
        painted("rug", surfaces.kilim(1600, 1100, rng), **cloth),
        painted("oak", surfaces.boards(1200, 800, (168, 122, 80), rng), (1.5, 1), roughness=0.45),
        painted("oak_light", surfaces.boards(1200, 800, (190, 148, 104), rng), (1.5, 1), roughness=0.45),
        painted("walnut", surfaces.boards(1200, 800, surfaces.WALNUT, rng), (1.5, 1), roughness=0.4),
        painted("door", surfaces.boards(1200, 800, (196, 160, 118), rng), (1.5, 1), roughness=0.45),
        painted("sofa", surfaces.weave(900, 900, (70, 98, 106), rng, 0.22), (0.9, 0.9), bump=0.002, **cloth),
        painted("mustard", surfaces.weave(500, 500, (198, 150, 60), rng, 0.25), (0.5, 0.5), bump=0.002, **cloth),
        painted("kilim", surfaces.kilim(700, 700, rng), (0.7, 0.7), **cloth),
        painted("sprigs", surfaces.sprigs(600, 600, (226, 214, 196), 60, prints.INKS, rng), (0.5, 0.5), **cloth),
        painted("plaid", surfaces.plaid(800, 800, prints.INKS[:6], rng), **cloth),
        painted("spines", prints.spines(160, rng), roughness=0.45),
        painted("leaf", surfaces.leaf(rng), roughness=0.45, lets_light_through=0.15),
        painted("basket", surfaces.basket(600, 300, rng), (0.9, 0.45), roughness=0.8, bump=0.004),
        painted("basket_fine", surfaces.basket(300, 300, rng), roughness=0.8),
        painted("page", prints.poster(600, 380, rng), roughness=0.2, glow=0.6),
        painted(
            "curtain",
            surfaces.sprigs(1400, 1100, (206, 196, 178), 120, [(150, 92, 70), (96, 104, 110), (178, 138, 84)], rng),
            (2.8, 2.2),
            lets_light_through=0.3,
            **cloth,
        ),
        plain("paint", (224, 221, 212), 0.7),
        plain("white", (228, 226, 220), 0.35),
        plain("paper", (238, 234, 222), 0.8),
        plain("black", (22, 22, 24), 0.45),
        plain("screen", (5, 5, 7), 0.06, coat=1.0),
        plain("brass", (190, 148, 84), 0.28, metallic=1.0),
        plain("steel", (150, 152, 156), 0.35, metallic=1.0),
        plain("glaze", (60, 104, 124), 0.15, coat=0.6),
        plain("terracotta", (178, 92, 62), 0.75),
        plain("mustard_paint", (206, 158, 60), 0.5),
        plain("leaf_paint", (92, 122, 70), 0.5),
        plain("apple", (164, 44, 36), 0.25, coat=0.3),
        plain("orange", (220, 128, 40), 0.5),
        plain("soil", (52, 38, 30), 0.95),
        plain("bark", (96, 76, 56), 0.9),
        plain("shade", (250, 214, 160), 0.9, glow=1.1),
        *(painted(f"cover{k}", prints.poster(420, 560, rng), roughness=0.3) for k in range(4)),
    ]
    return {material.name: material for material in made}


def shell(m: dict[str, bpy.types.Material]) -> None:
    """Floor, walls, ceiling, beams, skirting and the window."""
    here, w, d, h = place(0, 0), WIDTH, DEPTH, HEIGHT
    panel(here, [(0, 0, 0), (w, 0, 0), (w, d, 0), (0, d, 0)], m["floor"], (w, d))
    panel(here, [(0, d, h), (w, d, h), (w, 0, h), (0, 0, h)], m["ceiling"], (w, d))
    panel(here, [(w, 0, 0), (0, 0, 0), (0, 0, h), (w, 0, h)], m["brick"], (w, h))
    panel(here, [(0, 0, 0), (0, d, 0), (0, d, h), (0, 0, h)], m["wallpaper"], (d, h))
    panel(here, [(w, d, 0), (w, 0, 0), (w, 0, h), (w, d, h)], m["limewash"], (d, h))
    x0, x1, z0, z1 = WINDOW
    for a, b, low, high in ((0, x0, 0, h), (x1, w, 0, h), (x0, x1, 0, z0), (x0, x1, z1, h)):
        panel(here, [(a, d, low), (b, d, low), (b, d, high), (a, d, high)], m["paint"])
    out = d + 0.24
    panel(here, [(x0, d, z0), (x1, d, z0), (x1, out, z0), (x0, out, z0)], m["white"])
    panel(here, [(x0, out, z1), (x1, out, z1), (x1, d, z1), (x0, d, z1)], m["white"])
    panel(here, [(x0, d, z0), (x0, out, z0), (x0, out, z1), (x0, d, z1)], m["white"])
    panel(here, [(x1, out, z0), (x1, d, z0), (x1, d, z1), (x1, out, z1)], m["white"])
    y, middle = d + 0.15, (x0 + x1) / 2
    for x in (x0 + 0.03, middle, x1 - 0.03):
        box(here, (0.07, 0.06, z1 - z0), (x, y, z0), m["white"])
    for z in (z0, z0 + 0.9, z1 - 0.06):
        box(here, (x1 - x0, 0.05, 0.06), (middle, y, z), m["white"])
    box(here, (x1 - x0 + 0.1, 0.3, 0.03), (middle, d + 0.05, z0), m["oak_light"])
    for x in (0.9, 2.3, 3.7):
        box(here, (0.13, d, 0.15), (x, d / 2, h - 0.14), m["walnut"], grain="y")
    for size, base in (
        ((w, 0.016, 0.09), (w / 2, 0.008, 0)),
        ((w, 0.016, 0.09), (w / 2, d - 0.008, 0)),
        ((0.016, d, 0.09), (0.008, d / 2, 0)),
        ((0.016, 2.0, 0.09), (w - 0.008, 1.0, 0)),
    ):
        box(here, size, base, m["oak_light"], grain="x" if size[0] > 1 else "y")
    for k in range(16):
        box(here, (0.055, 0.07, 0.52), (middle - 0.49 + 0.065 * k, d - 0.075, 0.16), m["white"], bevel=0.012)


def furnish(m: dict[str, bpy.types.Material], rng: np.random.Generator) -> None:
    """Puts every piece in its place."""
    furniture.sofa(place(0.5, 1.85, 0, -90), m)
    furniture.shelf(place(4.44, 1.08, 0, -90), m, rng)
    furniture.sideboard(place(2.3, 0.24), m)
    furniture.door(place(4.6, 2.62, 0, 90), m)
    furniture.floor_lamp(place(0.36, 0.42), m)
    things.plant(place(0.48, 3.3), m, rng)

    rug = place(2.32, 1.88, 0, 3)
    box(rug, (2.4, 1.65, 0.007), (0, 0, 0), m["walnut"], bevel=0)
    panel(
        rug @ place(0, 0, 0.0075),
        [(-1.2, -0.825, 0), (1.2, -0.825, 0), (1.2, 0.825, 0), (-1.2, 0.825, 0)],
        m["rug"],
    )
    furniture.table(place(1.78, 1.9, 0, 92), (1.1, 0.6, 0.42), m, "oak")
    top = place(1.78, 1.9, 0.42, 92)
    things.fruit_bowl(top @ place(0.1, 0.06), m, rng)
    things.magazine(top @ place(-0.3, -0.06, 0, 14), m["cover0"])
    things.magazine(top @ place(-0.33, -0.02, 0.007, -12), m["cover1"])
    things.mug(top @ place(-0.1, -0.2, 0, 40), m["terracotta"])
    things.mug(top @ place(0.42, -0.12, 0, 200), m["glaze"])
    furniture.pile(top @ place(0.38, 0.16, 0, 70), m, rng, 3)
    things.pouf(place(3.12, 1.45, 0.008, 30), m)
    things.toys(place(2.75, 2.55), m, rng)

    furniture.table(place(3.72, 3.42, 0, 0), (1.15, 0.66, 0.74), m, "oak_light")
    desk = place(3.72, 3.42, 0.74)
    things.laptop(desk @ place(0.02, 0.0, 0, 8), m)
    things.flowers(desk @ place(-0.42, 0.14), m, rng)
    things.mug(desk @ place(0.3, -0.16, 0, -60), m["mustard_paint"])
    furniture.pile(desk @ place(0.41, 0.1, 0, 80), m, rng, 5)
    things.magazine(desk @ place(-0.3, -0.14, 0, 20), m["cover2"])
    furniture.chair(place(3.6, 2.92, 0, 12), m, "sprigs")
    furniture.chair(place(3.75, 0.38, 0, 28), m, "mustard")

    board = place(2.3, 0.24, 0.62)
    things.radio(board @ place(-0.67, 0.0, 0, 8), m)
    furniture.pile(board @ place(0.75, 0.02, 0, 20), m, rng, 4)
    x0, x1, z0, _ = WINDOW
    for k, x in enumerate((x0 + 0.25, x0 + 0.62, x1 - 0.3)):
        pot = place(x, DEPTH + 0.06, z0 + 0.03)
        things.turned(pot, (0, 0, 0), [(0, 0), (0.045, 0), (0.06, 0.1), (0.05, 0.1), (0, 0.085)], m["terracotta"])
        for turn in rng.uniform(0, 2 * math.pi, 9 + k):
            foot = np.array([0, 0, 0.085])
            things.leaf(pot, foot, turn, rng.uniform(0.8, 1.3), rng.uniform(0.09, 0.17), m["leaf"], 0.3)

    walnut, oak, white, black = m["walnut"], m["oak_light"], m["paper"], m["black"]
    for wall, x, z, name, size, seed, frame in (
        ("sofa", 0.85, 1.5, "mosaic", (0.5, 0.66), 1, black),
        ("sofa", 1.82, 1.56, "landscape", (1.05, 0.74), 2, oak),
        ("sofa", 2.72, 1.5, "herbarium", (0.46, 0.62), 3, walnut),
        ("sofa", 2.72, 2.06, "mosaic", (0.3, 0.3), 4, oak),
        ("brick", 0.98, 1.5, "city", (0.62, 0.86), 5, black),
        ("brick", 2.3, 1.86, "poster", (0.46, 0.62), 10, oak),
        ("brick", 3.56, 1.52, "map", (0.9, 0.7), 6, oak),
        ("brick", 3.22, 2.13, "herbarium", (0.3, 0.38), 7, black),
        ("brick", 3.72, 2.1, "poster", (0.3, 0.4), 8, walnut),
        ("shelf", 3.46, 1.5, "poster", (0.42, 0.6), 9, black),
    ):
        at = {"sofa": place(0, x, z, -90), "brick": place(x, 0, z), "shelf": place(WIDTH, x, z, 90)}[wall]
        furniture.framed(at, name, size, seed, frame, white)
    things.clock(place(3.95, DEPTH, 1.85, 180), m)
    box(place(WIDTH, 2.02, 1.1, 90), (0.08, 0.012, 0.08), (0, 0.006, 0), m["white"])

    rod(place(0, DEPTH - 0.1), (0.75, 0, 2.36), (3.35, 0, 2.36), 0.013, m["brass"])
    furniture.curtain(place(1.02, DEPTH - 0.1), 0.52, 2.34, m, 0.4)
    furniture.curtain(place(3.06, DEPTH - 0.1), 0.5, 2.34, m, 2.1)


def light(m: dict[str, bpy.types.Material], rng: np.random.Generator) -> None:
    """Sun and sky through the window, the bounce of the rest of the house as a soft fill, and the garden."""
    scene = bpy.context.scene
    world = scene.world or bpy.data.worlds.new("world")
    scene.world = world
    world.use_nodes = True
    world.node_tree.nodes["Background"].inputs["Color"].default_value = (0.95, 0.86, 0.76, 1.0)
    world.node_tree.nodes["Background"].inputs["Strength"].default_value = 0.55
    world.light_settings.distance = 1.5

    def lamp(kind: str, power: float, colour: surfaces.Colour, at) -> bpy.types.Object:
        data = bpy.data.lights.new(kind, kind)
        data.energy = power
        data.color = linear(colour)[:3]
        piece = bpy.data.objects.new(kind, data)
        piece.matrix_world = at
        scene.collection.objects.link(piece)
        piece.visible_camera = False
        return piece

    x0, x1, z0, z1 = WINDOW
    down = place(0, 0).Rotation(0, 4, "X")
    turn = down.Rotation(math.radians(-90), 4, "X")
    sky = lamp("AREA", 75, (214, 230, 255), place((x0 + x1) / 2, DEPTH + 0.1, (z0 + z1) / 2) @ turn)
    sky.data.shape, sky.data.size, sky.data.size_y = "RECTANGLE", x1 - x0 - 0.1, z1 - z0 - 0.1
    fill = lamp("AREA", 37, (255, 240, 222), place(WIDTH / 2, DEPTH / 2, HEIGHT - 0.16))
    fill.data.shape, fill.data.size, fill.data.size_y = "RECTANGLE", 3.6, 2.8
    fill.visible_glossy = False
    sun = lamp("SUN", 18.0, (255, 236, 208), place(0, 0))
    sun.data.angle = math.radians(2.0)
    sun.rotation_mode = "XYZ"
    sun.rotation_euler = (math.radians(-54), 0, math.radians(-24))
    bulb = lamp("POINT", 14, (255, 206, 150), place(0.36, 0.42, 1.5))
    bulb.data.shadow_soft_size = 0.06

    m[BACKDROP] = painted(BACKDROP, surfaces.garden(2400, 1160, rng), roughness=1.0, glow=1.6)
    y = DEPTH + 6
    outside = panel(place(0, 0), [(-7, y, -2.2), (12, y, -2.2), (12, y, 7), (-7, y, 7)], m[BACKDROP])
    outside.name = BACKDROP
    outside.visible_shadow = False  # the sun stands behind it


def build(seed: int) -> None:
    """Makes the whole scene in an empty Blender file."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    rng = np.random.default_rng(seed)
    m = make_materials(rng)
    shell(m)
    furnish(m, rng)
    light(m, rng)
