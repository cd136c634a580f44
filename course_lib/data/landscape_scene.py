"""The land of a landscape, painted back to front: sky, sun or moon, clouds, mountains, hills, meadow and water."""

from __future__ import annotations

import torch
from torch import Tensor

from course_lib.data.landscape_colours import PETALS, rgb
from course_lib.data.landscape_frame import FLOWERS, PUFFS, WAVE, Frame, dye, mix, plane, smooth


class Scene(Frame):
    """Sky to meadow, and water."""

    def paint_sky(self) -> None:
        f = self.f
        down = self.y / plane(f["horizon"])
        colour = mix(dye(self.zenith), dye(self.middle), smooth(down / 0.62))  # [n, 3, H, 1]
        colour = mix(colour, dye(self.low), smooth((down - 0.35) / 0.65))
        x, y = self.x - plane(f["sun_x"]), self.y - plane(f["sun_y"])
        distance = (x.square() + y.square()).sqrt()
        glow = (distance * -5.5).exp() * (0.75 - 0.25 * plane(self.night[:, 0]))
        colour = mix(colour, dye(mix(self.low, self.orb, 0.6)), glow)
        self.paint("sky", torch.ones(self.count, self.size, self.size, device=self.device), colour)
        across, up, shine = self.chance["star"].unbind(-1)
        dot = (0.2 + 0.3 * shine) * max(1.0, self.size / 48)
        stars = self.dots(across, up * 0.6, dot, (0.2 + 0.7 * shine.square()) * self.night)
        radius = plane(f["sun_size"])
        stars = stars * smooth(distance / radius - 1.2)  # none near the moon
        self.paint("sky", stars, mix(self.orb, torch.ones_like(self.orb), 0.5))
        disc = self.edge(radius - distance)
        tilted, across = 0.94 * x - 0.34 * y, 0.94 * y + 0.34 * x  # the moon leans to the right
        terminator = (1 - 2 * plane(f["moon"])) * (radius.square() - across.square()).clamp(min=0).sqrt()
        lit = self.edge(tilted - terminator)
        self.paint("sun", disc * (1 - (1 - lit) * plane(self.night[:, 0])), self.orb)

    def paint_clouds(self) -> None:
        f = self.f
        low = mix(self.middle, self.low, 0.55)
        top = mix(mix(self.orb, torch.ones_like(self.orb), 0.55), low, 0.9 * self.night)
        for k, u in enumerate(self.chance["cloud"].unbind(1)):
            wide = 0.13 + 0.12 * u[:, 0]
            x0 = (0.1 * u[:, 1] + 0.37 * k + f["wind"]) % 1.3 - 0.15
            y0 = f["horizon"] * (0.2 + 0.2 * k) + 0.06 * (u[:, 0] - 0.5)
            body = plane(y0 + wide * 0.07) - self.y  # flat below
            puffs = None
            for p, v in enumerate(u[:, 2:].unflatten(1, (PUFFS, 3)).unbind(1)):
                along = 2 * p / (PUFFS - 1) - 1
                a = wide * (0.34 + 0.2 * v[:, 0]) * (1.2 - 0.5 * abs(along))
                b = a * (0.55 + 0.25 * v[:, 1])
                across = ((self.x - plane(x0 + wide * along * 0.85)) / plane(a)).square()
                up = ((self.y - plane(y0 - a * 0.3 * v[:, 2])) / plane(b)).square()
                puff = plane(0.3 * a) * (1 - across) - plane(0.3 * a) * up  # about the depth inside an ellipse
                puffs = puff if puffs is None else torch.maximum(puffs, puff)
            alpha = self.edge(torch.minimum(puffs, body)) * plane((f["clouds"] - k).clamp(0, 1))
            shade = smooth((self.y - plane(y0 - wide * 0.2)) / plane(wide * 0.3))
            self.paint("clouds", alpha * 0.94, mix(dye(top), dye(low), shade * 0.75))

    def profile(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Height of the mountains at x [1, K], and where the spine of the mountain seen there is: [n, K] each."""
        chance = self.chance["peak"]
        terrain, wavy = self.f["terrain"][:, None], self.waves("mountains", 0.9, 1.0, x)
        order = torch.arange(chance.shape[1], device=self.device)
        places = (order + 0.15 + 0.7 * chance[..., 0]) * 0.2 - 0.1
        fall = (2.1 + 1.5 * chance[..., 2:]) * (x[:, None] - places[..., None]).abs()
        peaks, nearest = (0.5 + 0.5 * chance[..., 1:2] - fall).max(1)
        for turns, number in ((17, 0), (29, 1)):  # a jagged crest
            peaks = peaks + 0.035 * ((turns * x + chance[:, :1, number]) % 1 - 0.5).abs()
        middle = 0.25 + 0.5 * chance[:, :1, 0]
        lone = (1.08 * (-(x - middle).abs() / (0.2 + 0.14 * chance[:, 1:2, 0])).exp() + 0.05 * wavy).clamp(max=0.93)
        high = torch.where(terrain == 1, peaks.clamp(min=0.22), lone + 0.05)
        height = torch.where(terrain == 0, 0.5 + 0.4 * wavy, high)
        return height, torch.where(terrain == 1, places.gather(1, nearest), middle)

    def paint_mountains(self) -> None:
        f, chance = self.f, self.chance["peak"]
        height, spine = self.profile(self.flat)
        highest = self.profile(torch.linspace(0, 1, 257, device=self.device)[None])[0].amax(1, keepdim=True)
        height = 0.92 * height / highest  # so that `relief` is what one sees, whatever chance made of the mountains
        top = f["horizon"][:, None] - f["relief"][:, None] * height
        depth = self.y - plane(top)
        soft, cold = plane((f["terrain"] == 0).float()), plane(self.winter[:, 0])
        facing = plane((10 * (f["sun_x"] - 0.5)).clamp(-1, 1))  # 1: the light comes from the right
        ragged = 0.05 * (depth * 23 + plane(chance[:, 0, 0]) * 6).sin() + 0.03 * (depth * 51).sin()
        side = self.edge((self.x - plane(spine) + ragged * (depth * 8).clamp(0, 1)) * facing)
        side = mix(side, torch.full_like(side, 0.6), 0.75 * smooth(depth / 0.22))
        slope = plane(torch.gradient(top, dim=1)[0] * self.size)  # hills have no spine, but a lit slope near the top
        side = mix(side, 0.55 + 0.35 * facing * slope.clamp(-1, 1) * (-24 * depth.abs()).exp(), soft)
        rock = torch.where((f["terrain"] == 0)[:, None], self.away("far", 0.35), self.away("rock", 0.35))
        colour = mix(dye(mix(rock, self.away("shadow", 0.35), 0.9)), dye(rock), side)
        snow = mix(dye(self.away("snow in shadow", 0.2)), dye(self.away("snow", 0.1)), side)
        deep = mix(f["snow"], torch.ones_like(f["snow"]), 0.85 * self.winter[:, 0])
        line = plane(f["horizon"] - f["relief"] * (1.05 - 0.95 * deep))
        teeth = 0.02 * (self.x * 40 + plane(chance[:, 1, 0]) * 6).sin() + 0.014 * (self.x * 90).sin()
        colour = mix(colour, snow, self.edge((line + teeth - self.y) * 0.7) * (1 - soft * (1 - cold)))
        mist = smooth(depth / plane(0.25 + f["relief"])) * plane(0.85 * f["haze"])
        self.paint("mountains", self.below(top), mix(colour, dye(self.low), mist))

    def paint_hills(self) -> None:
        """Two rows of hills with groves on them."""
        f, wood = self.f, self.chance["wood"]
        for layer, (lift, haze, base) in enumerate(((0.0, 0.42, "far"), (0.055, 0.22, "middle"))):
            line = f["horizon"][:, None] + lift - 0.045 * self.waves(("hills", "wood")[layer], 0.9, 1.2)
            cell = 17 * self.flat + wood[:, layer : layer + 1]
            tall = 0.35 + 0.65 * wood.gather(1, cell.long() + 2 + 18 * layer)
            patches = self.waves(("wood", "hills")[layer], 1.3, 1.5)
            patches = patches - patches.mean(1, keepdim=True)  # chance says where the woods are, not how many
            grove = smooth(4 * (2.4 * f["forest"][:, None] - 1.2 + patches) + 0.5)
            crowns = line - grove * (0.008 + 0.05 * tall * (1 - (2 * (cell % 1) - 1).abs()))
            trees, depth = self.away("forest", haze), self.y - plane(crowns)
            white = mix(trees, self.away("snow", haze), 0.45 * self.winter)
            colour = mix(dye(white), dye(trees), smooth(depth / 0.045))
            colour = mix(colour, dye(self.away(base, haze)), smooth((self.y - plane(line)) / 0.03))
            if layer == 0:
                colour = mix(colour, dye(self.low), smooth(depth / 0.12) * plane(0.4 * f["haze"]))
            self.paint("hills", self.below(crowns), colour)

    def paint_meadow(self) -> None:
        f = self.f
        near, bank = self.green("near"), self.green("bank")
        self.line = f["horizon"][:, None] + 0.115 - 0.022 * self.waves("meadow", 0.8, 1.3)
        colour = mix(dye(mix(near, self.low, 0.12)), dye(near), smooth((self.y - plane(self.line)) / 0.1))
        self.paint("meadow", self.below(self.line), mix(colour, dye(bank), smooth((self.y - 0.7) / 0.4)))
        left = (self.chance["wave"][:, WAVE["meadow"], 0, 1:] - 0.5).sign()
        rise = 0.27 - 0.07 * smooth(0.5 + 1.2 * left * (self.flat - 0.5)) + 0.012 * self.waves("rise", 0.7, 1.2)
        rise = f["horizon"][:, None] + rise
        colour = mix(dye(mix(near, bank, 0.45)), dye(bank), smooth((self.y - plane(rise)) / 0.2))
        self.paint("meadow", self.below(rise), colour)
        across, down, shine = self.chance["flower"].unbind(-1)
        top = f["horizon"][:, None] + 0.17
        shown = (torch.arange(FLOWERS, device=self.device) < FLOWERS * f["flowers"][:, None]) * (1 - self.winter)
        radius = (0.1 + 0.55 * down) * self.size / 40
        petals = rgb(*PETALS.values(), device=self.device)[f["petals"]]
        alpha = self.dots(across, top + (1.02 - top) * down**1.2, radius, shown * (0.55 + 0.45 * shine))
        self.paint("meadow", alpha, self.lit(petals))

    def paint_water(self, kind: int) -> None:
        """1: a lake, which mirrors all that was painted before; 2: a river, which comes from the side."""
        f = self.f
        rows = (f["water"] == kind).nonzero().flatten()
        if len(rows) == 0:
            return
        u = self.chance["river"][rows]
        if kind == 1:
            shore = plane(f["horizon"][rows] + 0.16)
            shaken = 0.006 * (self.x * 19 + plane(u[:, 0]) * 6).sin() + 0.004 * (self.x * 37).sin()
            alpha = self.edge(self.y - shore + shaken)
        else:
            shore = plane(f["horizon"][rows] + 0.1)
            run = (self.y - shore).clamp(min=0) / (1 - shore)
            start = 0.5 + 0.42 * (plane(u[:, 0]) - 0.5).sign()
            course = mix(start, plane(0.3 + 0.4 * u[:, 1]), smooth(run * 1.5))
            course = course + 0.1 * run * (run * 9 + plane(u[:, 2]) * 6).sin()
            half = 0.012 + 0.2 * run**1.4
            alpha = self.edge((half - (self.x - course).abs()) * 0.8) * self.below(self.line[rows])
        down = (self.y - shore).clamp(min=0)
        mirror = self.mirror(rows, shore)
        deep = mix(self.lit(self.ground("water", rows), rows), self.zenith[rows], 0.3)
        colour = mix(mirror * 0.96, dye(deep), (0.28 if kind == 1 else 0.55) + 0.4 * smooth(down / 0.35))
        ripple = (0.5 + 0.5 * (self.y * 90 + 2 * (self.x * 9 + plane(u[:, 1]) * 6).sin()).sin()) ** 3
        path = (-((self.x - plane(f["sun_x"][rows])) / (0.05 + 0.25 * down)).square()).exp()  # of the light
        colour = mix(colour, dye(mix(self.orb[rows], self.low[rows], 0.4)), ripple * (0.06 + 0.55 * path))
        ice = mix(mirror, dye(self.lit(self.ground("water", rows), rows)), 0.5)
        self.paint("water", alpha, mix(colour, ice, 0.75 * plane(self.winter[rows, 0])), rows)

    def mirror(self, rows: Tensor, shore: Tensor) -> Tensor:
        """The picture above the shore, upside down below it: [n, 3, H, W]."""
        size, picture = self.size, self.canvas.colours[rows]
        row = ((2 * shore - self.y) * size - 0.5 - 0.012 * size).clamp(0, size - 1.001)  # [n, H, 1]
        upper = row.long()[:, None].expand(-1, 3, -1, size)
        return mix(picture.gather(2, upper), picture.gather(2, (upper + 1).clamp(max=size - 1)), row % 1)

    def bank(self, x: Tensor, right: Tensor) -> Tensor:
        """How low the bank in front lies at x: it rises on the side of the tall tree."""
        return 0.96 - 0.11 * smooth(0.45 + 1.3 * right * (x - 0.5))

    def paint_bank(self) -> None:
        rows = (self.f["water"] == 1).nonzero().flatten()
        if len(rows) == 0:
            return
        line = self.bank(self.flat, self.right[rows, None]) + 0.012 * self.waves("rise", 1.6, 1.0)[rows]
        colour = self.green("bank")[rows]
        dark = mix(colour * 0.82, self.zenith[rows], 0.12)
        self.paint("meadow", self.below(line), mix(dye(colour), dye(dark), smooth((self.y - plane(line)) / 0.16)), rows)
