"""What stands in a landscape: trees, whose crowns the winter changes, a house with windows, a boat."""

from __future__ import annotations

import torch
from torch import Tensor

from course_lib.data.landscape_colours import BARK, HULL, LAMP, LEAVES, ROOFS, WALLS, rgb
from course_lib.data.landscape_frame import PLACES, RowCanvas, dye, mix, plane, smooth
from course_lib.data.landscape_scene import Scene

# ellipses of a crown: place and radius, in halves of the crown
BLOBS = ((0, 0.1, 0.8), (-0.55, -0.25, 0.62), (0.55, -0.2, 0.6), (-0.3, 0.42, 0.6), (0.32, 0.38, 0.55), (0, -0.35, 0.6))
# height at which it leaves the trunk, lean, length; in heights of the tree
BRANCHES = ((0.3, 0.75, 0.4), (0.36, -0.8, 0.42), (0.5, 0.6, 0.34), (0.56, -0.62, 0.3), (0.2, 0.0, 0.72))
# half the crown's width, half its height, height of its middle, half the trunk's width
CROWNS = {"oak": (0.36, 0.3, 0.66, 0.05), "birch": (0.24, 0.33, 0.64, 0.028), "poplar": (0.14, 0.42, 0.55, 0.03)}
ORDER = (2, 0, 4, 1, 3)  # in which the places on the meadow fill, so that few trees stand apart


class Landscape(Scene):
    """The whole picture: one for each row of the factors and of chance."""

    def compose(self) -> RowCanvas:
        """Paint everything, back to front. The lake mirrors what is there when it is painted."""
        self.paint_sky()
        self.paint_clouds()
        self.paint_mountains()
        self.paint_hills()
        self.paint_meadow()
        self.paint_water(2)
        for place in range(PLACES - 1):
            self.paint_tree(place)
        self.paint_house()
        self.paint_water(1)
        self.paint_boat()
        self.paint_bank()
        self.paint_tree(PLACES - 1)
        return self.canvas

    def paint_tree(self, place: int) -> None:
        f, u = self.f, self.chance["tree"][:, place]
        if place == PLACES - 1:
            present, kind = f["front"] > 0, f["front"] - 1
            x, tall = self.front_x, f["front_size"]
            foot = self.bank(x, self.right) + 0.03
        else:
            present, kind = f["trees"] > place, f["tree"]
            x = (ORDER[place] + 0.15 + 0.7 * u[:, 0]) / (PLACES - 1)
            foot = f["horizon"] + 0.135 + 0.02 * u[:, 1]
            tall = (0.19 + 0.01 * u[:, 1] + 0.02 * u[:, 2]) * f["tree_size"]
        for conifer in (True, False):
            rows = (present & ((kind == 0) == conifer)).nonzero().flatten()
            if len(rows) == 0:
                continue
            high = plane(tall[rows])
            t, dx = (plane(foot[rows]) - self.y) / high, (self.x - plane(x[rows])) / high  # in heights of the tree
            shade = self.edge(high * 0.1 * (1 - (dx / 0.24).square() - (t / 0.045).square()))
            self.paint("cast", 0.25 * shade, mix(self.green("bank") * 0.6, self.zenith, 0.3)[rows], rows)
            (self.conifer if conifer else self.leafy)(rows, t, dx, high * self.size, kind[rows] - 1)

    def conifer(self, rows: Tensor, t: Tensor, dx: Tensor, scale: Tensor, kind: Tensor) -> None:
        def edge(depth: Tensor) -> Tensor:
            return (depth * scale + 0.5).clamp(0, 1)

        bark = rgb(BARK["oak"], device=self.device).expand(len(rows), 3)
        self.paint("trees", edge(0.03 - dx.abs()) * edge(t + 0.02) * edge(0.3 - t), self.lit(bark, rows), rows)
        level = (t - 0.1) / 0.9  # along the crown
        step = level * 4 % 1  # along one of four tiers
        width = 0.27 * (1 - level) * (1 - 0.5 * step) + 0.012
        alpha = edge(torch.where((level > 0) & (level < 1), width, -1.0) - dx.abs()) * edge(level * 0.9)
        side = (0.26 - 8 * dx).clamp(0, 1) * (1 - 0.6 * step).clamp(0, 1)
        light = self.ground("pine in light", rows)
        light = mix(light, self.ground("pine", rows), 0.85 * self.winter[rows])
        colour = mix(dye(self.lit(self.ground("pine", rows), rows)), dye(self.lit(light, rows)), side)
        snow = smooth(1.86 - 3 * step) * (0.55 - 0.45 * (6 * dx).clamp(-1, 1)) * plane(self.winter[rows, 0])
        self.paint("trees", alpha, mix(colour, dye(self.lit(self.ground("snow", rows), rows)), 0.95 * snow), rows)

    def leafy(self, rows: Tensor, t: Tensor, dx: Tensor, scale: Tensor, kind: Tensor) -> None:
        def edge(depth: Tensor, sharp: float = 1.0) -> Tensor:
            return (depth * (scale * sharp) + 0.5).clamp(0, 1)

        wide, high, middle, stem = (plane(v) for v in torch.tensor(list(CROWNS.values()), device=self.device)[kind].T)
        cold = plane(self.winter[rows, 0])
        bark = self.lit(rgb(*BARK.values(), device=self.device)[kind], rows)
        trunk = edge(stem * (1.25 - t.clamp(0, 1)) - dx.abs()) * edge(t + 0.02) * edge(middle + 0.2 * cold - t)
        self.paint("trees", trunk, bark, rows)
        crown = gleam = None
        for bx, by, r in BLOBS:
            a, b = wide * r, high * r
            blob = a / 2 * (1 - ((dx - wide * bx) / a).square()) - a / 2 * ((t - middle - high * by) / b).square()
            across, up = (dx - wide * (bx - 0.12)) / (a * 0.78), (t - middle - high * (by + 0.16)) / (b * 0.72)
            shine = a / 2 * (1 - across.square()) - a / 2 * up.square()
            crown = blob if crown is None else torch.maximum(crown, blob)
            gleam = shine if gleam is None else torch.maximum(gleam, shine)
        leaf, lime = rgb(*LEAVES.values(), device=self.device)[kind], rgb("d8e070", "93b544", device=self.device)
        leaf = mix(leaf, lime[1], 0.5 * self.f["dry"][rows, None])
        summer = leaf * 0.72, mix(leaf, lime[0], 0.28)
        winter = self.ground("frost", rows), self.ground("frost in light", rows)
        low, top = (dye(self.lit(mix(s, w, self.winter[rows]), rows)) for s, w in zip(summer, winter))
        self.paint("trees", edge(crown) * (1 - 0.25 * cold), mix(low, top, edge(gleam, 0.8)), rows)
        bare = (self.winter[rows, 0] > 0).nonzero().flatten()
        if len(bare):
            t, dx, scale, span, rows = t[bare], dx[bare], scale[bare], wide[bare] / 0.36, rows[bare]
            twigs = None
            for start, lean, length in BRANCHES:
                rise = t - start
                width = (0.028 - 0.012 * rise / length).clamp(min=0.008)
                twig = width - (dx - lean * span * rise).abs() / (1 + (lean * span).square()).sqrt()
                twig = torch.minimum(torch.minimum(twig, rise), length - rise)
                twigs = twig if twigs is None else torch.maximum(twigs, twig)
            dark = mix(bark[bare], self.lit(rgb("5c4840", device=self.device).expand(len(rows), 3), rows), 0.65)
            self.paint("trees", edge(twigs) * (0.3 + 0.6 * smooth((scale * span - 5) / 13)), dark, rows)

    def paint_house(self) -> None:
        f = self.f
        rows = f["house"].nonzero().flatten()
        if len(rows) == 0:
            return
        wide, x, night = plane(f["house_size"][rows]), self.x - plane(f["house_x"][rows]), self.night[rows]
        up = plane(f["horizon"][rows] + 0.15) - self.y
        tall, roof = 0.5 * wide, 0.42 * wide

        def box(x: Tensor, half: Tensor, low: Tensor | float, high: Tensor) -> Tensor:
            return self.edge(half - x.abs()) * self.edge(up - low) * self.edge(high - up)

        def paint(alpha: Tensor, colour: Tensor) -> None:
            self.paint("house", alpha, self.lit(colour.expand(len(rows), 3), rows), rows)

        def colours(*codes: str) -> Tensor:
            return rgb(*codes, device=self.device)

        shade = self.edge(0.15 * wide * (1 - (x / (0.62 * wide)).square() - (up / (0.07 * wide)).square()))
        self.paint("cast", 0.35 * shade, mix(self.green("bank") * 0.6, self.zenith, 0.3)[rows], rows)
        paint(box(x - 0.22 * wide, 0.07 * wide, tall, tall + 0.95 * roof), colours("6b4a42"))
        walls = box(x, wide / 2, 0.0, tall)
        warm = self.lit(colours(*WALLS.values())[f["wall"][rows]], rows)
        self.paint("house", walls, mix(warm, colours(LAMP), 0.25 * night), rows)
        slope = 0.62 / 0.42  # how far the roof runs aside on its way down
        gable = self.edge((0.62 * wide - x.abs() - slope * (up - tall)) / (1 + slope**2) ** 0.5) * self.edge(up - tall)
        paint(gable, mix(colours(*ROOFS)[f["wall"][rows]], self.ground("snow", rows), 0.92 * self.winter[rows]))
        glass = mix(self.lit(self.ground("glass", rows), rows), colours(LAMP), night)
        for off in (-0.22, 0.22):
            self.paint("house", box(x - off * wide, 0.12 * wide, 0.34 * tall, 0.8 * tall), glass, rows)
        glow = (-(x.square() + (up - tall / 2).square()) / (0.5 * wide.square())).exp() - 0.03
        glow = glow.clamp(min=0) * (1 - torch.maximum(walls, gable))  # it falls on what is around
        self.paint("cast", glow * 0.35 * plane(night[:, 0]), colours(LAMP).expand(len(rows), 3), rows)

    def paint_boat(self) -> None:
        """On a lake that is not frozen."""
        f = self.f
        rows = ((f["boat"] > 0) & (f["water"] == 1) & (f["season"] == 0)).nonzero().flatten()
        if len(rows) == 0:
            return
        tall = 0.115
        t, x = (plane(f["horizon"][rows] + 0.235) - self.y) / tall, (self.x - plane(f["boat_x"][rows])) / tall
        hull, sail = (
            self.lit(c.expand(len(rows), 3), rows) for c in (rgb(HULL, device=self.device), self.ground("sail", rows))
        )

        def edge(depth: Tensor) -> Tensor:
            return self.edge(depth * tall)

        def sails(t: Tensor) -> Tensor:
            main = torch.minimum(torch.minimum(x - 0.02, t - 0.28), (1 - t - 1.3 * x) / 1.64)
            jib = torch.minimum(torch.minimum(-0.04 - x, t - 0.28), (0.85 - t + 1.5 * x) / 1.8)
            return edge(torch.maximum(main, jib))

        self.paint("boat", 0.35 * sails(-0.75 * t), sail, rows)
        self.paint("boat", edge(torch.minimum(torch.minimum(t, 0.24 - t), 0.38 + 0.7 * t - x.abs())), hull, rows)
        self.paint("boat", sails(t), sail, rows)
