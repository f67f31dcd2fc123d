"""The process that draws: a picture's description as one line of JSON on stdin, a PNG on stdout; it ends with stdin, or when it is done.

It is started by `gateway.charts` and nobody else. matplotlib is used without pyplot, without anybody's settings, and without mathtext:
`$` is a dollar. Status 2: the line is not what it should be.
"""

import json
import os
import signal
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from io import BytesIO
from typing import Any, Final

VERSION: Final = 1
LINE_BYTES_MAX: Final = 2_000_000
MEMORY_BYTES_MAX: Final = 2 * 1024**3
SIDE_MAX: Final = 4_000
NICE: Final = 10
BLENDS: Final = 8
"""Steps from the paper to a colour, at the edges of what is drawn."""
PALETTE_MAX: Final = 256
BAND: Final = 64
"""Lines that are looked at together: it takes memory by the colours in them."""
REFUSED: Final = 2
_FONTS: Final = (
    "Noto Sans CJK SC",
    "Noto Sans CJK JP",
    "WenQuanYi Micro Hei",
    "PingFang SC",
    "Hiragino Sans GB",
    "Microsoft YaHei",
    "Noto Sans",
)
"""Where the machine has them: for letters that DejaVu Sans, which matplotlib brings, does not have."""
_MISSING: Final = "□"
_SHAPES: Final = {
    "circle": "o",
    "diamond": "D",
    "square": "s",
    "ring": "o",
    "cross": "X",
    "down": "v",
    "plus": "P",
    "right": ">",
    "block": "s",
}
_SCALE: Final = {"diamond": 0.86, "square": 0.9, "block": 1.0, "cross": 1.05, "ring": 0.8}


def main() -> None:
    """Draw one picture. Arguments: after how many seconds this process ends, whatever it does."""
    signal.alarm(int(sys.argv[-1]))
    with suppress(OSError):
        os.nice(NICE)
    _bound_memory()
    line = sys.stdin.buffer.readline(LINE_BYTES_MAX + 1)
    threading.Thread(target=_end_with_stdin, daemon=True).start()
    try:
        scene = read(line)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        sys.stderr.write(f"not a picture: {error}\n")
        sys.exit(REFUSED)
    sys.stdout.buffer.write(drawn(scene))
    sys.stdout.buffer.flush()


def _bound_memory() -> None:
    with suppress(ImportError, ValueError, OSError):
        import resource  # noqa: PLC0415 - not every system has it

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES_MAX, MEMORY_BYTES_MAX))


def _end_with_stdin() -> None:
    """Whoever wants the picture keeps it open."""
    with suppress(OSError):
        os.read(0, 1)  # past its buffer, which would be locked when this process ends
    os._exit(1)


def read(line: bytes) -> Mapping[str, Any]:
    """The description, if it is one of this version and of a size that can be drawn. Raises ValueError."""
    scene = json.loads(line)
    if not isinstance(scene, dict) or scene.get("version") != VERSION:
        raise ValueError("another version")
    if not all(isinstance(scene[side], int) and 0 < scene[side] <= SIDE_MAX for side in ("width", "height")):
        raise ValueError("a size that is not drawn")
    return scene


def drawn(scene: Mapping[str, Any]) -> bytes:
    """The picture as PNG with a palette. Pixels of the description are pixels of the picture."""
    import matplotlib as mpl  # noqa: PLC0415 - the line is looked at first

    mpl.rcdefaults()
    mpl.rcParams.update({"path.simplify": False, "axes.unicode_minus": False})
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415
    from matplotlib.figure import Figure  # noqa: PLC0415

    figure = Figure(figsize=(scene["width"] / 72, scene["height"] / 72), dpi=72, facecolor=scene["paper"])
    canvas = FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.set_xlim(0, scene["width"])
    axes.set_ylim(scene["height"], 0)
    _shapes(axes, scene)
    _words(axes, scene)
    canvas.draw()
    return _png(canvas, _colours(scene))


def _png(canvas: Any, colours: Sequence[str]) -> bytes:
    """With a palette of the colours that were drawn with, and what lies between each and the paper, which is the first."""
    from PIL import Image, ImageColor  # noqa: PLC0415 - matplotlib brings it

    paper, *inks = (ImageColor.getrgb(colour)[:3] for colour in dict.fromkeys(colours))
    steps = max(1, min(BLENDS, 255 // max(1, len(inks))))
    mixed = [
        tuple(round(low + (high - low) * step / steps) for low, high in zip(paper, ink, strict=True))
        for ink in inks
        for step in range(1, steps + 1)
    ]
    width, height = canvas.get_width_height()
    picture = Image.frombuffer("RGBA", (width, height), canvas.buffer_rgba(), "raw", "RGBA", 0, 1)
    return indexed(picture, [paper, *mixed][:PALETTE_MAX])


def indexed(picture: Any, palette: Sequence[tuple[int, ...]]) -> bytes:
    """A Pillow image as PNG in which each pixel has the nearest of at most 256 colours; those that are in the palette stay exact."""
    import numpy as np  # noqa: PLC0415 - matplotlib brings it
    from PIL import Image  # noqa: PLC0415

    wanted = np.asarray(palette, np.int32)
    indices = np.empty((picture.height, picture.width), np.uint8)
    for top in range(0, picture.height, BAND):
        band = picture.crop((0, top, picture.width, min(top + BAND, picture.height))).convert("RGB")
        pixels = np.asarray(band, np.int32)
        packed = (pixels[..., 0] << 16) | (pixels[..., 1] << 8) | pixels[..., 2]
        found, where = np.unique(packed, return_inverse=True)
        rgb = np.stack([found >> 16, found >> 8 & 255, found & 255], axis=1)
        apart = rgb[:, None, :] - wanted[None]
        nearest = (apart * apart).sum(axis=2).argmin(axis=1).astype(np.uint8)
        indices[top : top + BAND] = nearest[where].reshape(packed.shape)
    out, image = BytesIO(), Image.fromarray(indices)
    image.putpalette([part for colour in palette for part in colour])
    image.save(out, "PNG", optimize=True)
    return out.getvalue()


def _colours(scene: Mapping[str, Any]) -> list[str]:
    where = {"areas": 1, "lines": 1, "dots": 3, "words": 3}
    return [scene["paper"], *(one[at] for kind, at in where.items() for one in scene[kind])]


def _shapes(axes: Any, scene: Mapping[str, Any]) -> None:
    from matplotlib.lines import Line2D  # noqa: PLC0415
    from matplotlib.patches import Polygon  # noqa: PLC0415

    for points, colour, opacity in scene["areas"]:
        axes.add_patch(Polygon(points, closed=True, facecolor=colour, alpha=opacity, linewidth=0, zorder=1))
    for points, colour, width, dashed in scene["lines"]:
        xs, ys = [x for x, _ in points], [y for _, y in points]
        style = (0, (3.2, 2.2)) if dashed else "-"
        line = Line2D(xs, ys, color=colour, linewidth=width, linestyle=style, zorder=2)
        line.set_solid_capstyle("round")
        line.set_solid_joinstyle("round")
        axes.add_line(line)
    for (x, y), shape, size, colour in scene["dots"]:
        ring = shape == "ring"
        look = {
            "marker": _SHAPES[shape],
            "markersize": size * _SCALE.get(shape, 1.0),
            "markerfacecolor": scene["paper"] if ring else colour,
            "markeredgecolor": colour if ring else scene["paper"],
            "markeredgewidth": 7 if ring else 0 if shape == "block" else 3,
        }
        axes.add_line(Line2D([x], [y], linestyle="", zorder=3, **look))


def _words(axes: Any, scene: Mapping[str, Any]) -> None:
    from matplotlib.font_manager import FontProperties, fontManager  # noqa: PLC0415

    there = {entry.name for entry in fontManager.ttflist}
    families = ["DejaVu Sans", *(name for name in _FONTS if name in there)]
    known = _letters(families)
    for (x, y), text, size, colour, bold, anchor, instead in scene["words"]:
        font = FontProperties(family=families, size=size, weight="bold" if bold else "normal")
        axes.text(
            x,
            y,
            shown(text, known) or shown(instead, known),
            fontproperties=font,
            color=colour,
            horizontalalignment=anchor,
            verticalalignment="baseline",
            parse_math=False,
            zorder=4,
        )


def _letters(families: Sequence[str]) -> frozenset[int]:
    """Which characters can be drawn at all."""
    from matplotlib.font_manager import FontProperties, findfont, get_font  # noqa: PLC0415

    found: set[int] = set()
    for family in families:
        found |= get_font(findfont(FontProperties(family=family))).get_charmap().keys()
    return frozenset(found)


def shown(text: str, known: frozenset[int]) -> str:
    """The text with one square for each run of letters that no font has, and without signs that none has. Empty: nothing of it is left."""
    parts: list[str] = []
    for char in text:
        if ord(char) in known:
            parts.append(char)
        elif char.isalnum() and parts[-1:] != [_MISSING]:
            parts.append(_MISSING)
    left = "".join(parts).strip()
    return left if left == text or left.strip(f"{_MISSING}… ") else ""
