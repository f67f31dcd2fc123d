"""The README's pictures of charts are what the script draws."""

from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from gateway.core.charting import scene
from gateway.core.scene import COLOURS, Ink, Scene
from gateway.domain.charts import Theme
from tools.cost_pictures import BYTES_MAX, DOCS, ZONE, month, pictures, session

pytestmark = pytest.mark.anyio
CHARTS = {"session": session(), "month": month()}


def share(picture: Image.Image, colour: str) -> float:
    """How much of a picture has a colour."""
    wanted = tuple(bytes.fromhex(colour[1:]))
    found = picture.getcolors(picture.width * picture.height) or []
    return sum(number for number, one in found if one == wanted) / (picture.width * picture.height)


def opened(content: bytes) -> Image.Image:
    """The picture."""
    return Image.open(BytesIO(content)).convert("RGB")


@pytest.mark.parametrize("name", CHARTS)
@pytest.mark.parametrize("theme", Theme)
def test_the_pictures_are_as_the_figures_are_laid_out_now(name: str, theme: Theme) -> None:
    """Size, and every bar and swatch where it is: edges of letters differ with the machine's fonts, so that those are not compared."""
    path = DOCS / f"cost-{name}-{theme}.png"
    plan: Scene = scene(CHARTS[name], ZONE)
    picture = opened(path.read_bytes())
    assert picture.size == (plan.width, plan.height)
    assert path.stat().st_size < BYTES_MAX
    for area in (one for one in plan.areas if one.opacity == 1 and len(one.points) == 4):
        (left, top), (right, bottom) = area.points[0], area.points[2]
        if min(right - left, bottom - top) > 6:
            middle = (round((left + right) / 2), round(top + (bottom - top) / 4))
            seen = "#{:02x}{:02x}{:02x}".format(*picture.getpixel(middle))  # type: ignore[misc]
            assert seen in {COLOURS[theme][ink] for ink in (area.ink, Ink.TEXT, Ink.LIMIT)}


async def test_what_the_script_draws_has_the_colours_of_the_pictures_that_are_kept() -> None:
    """Drawn anew: the same sizes, and of each colour as much, but for the edges of letters."""
    for name, content in (await pictures()).items():
        new, kept = opened(content), opened((DOCS / name).read_bytes())
        assert new.size == kept.size
        theme = Theme(name.removesuffix(".png").rpartition("-")[2])
        for ink in (Ink.PAPER, Ink.COMMITS, Ink.CHANGES, Ink.ERROR, Ink.LIMIT, Ink.FIRST):
            assert share(new, COLOURS[theme][ink]) == pytest.approx(share(kept, COLOURS[theme][ink]), abs=0.004)


def test_the_readmes_picture_is_there() -> None:
    """Small enough for a page that is loaded often."""
    assert (Path(DOCS) / "cost.png").stat().st_size < 250_000
