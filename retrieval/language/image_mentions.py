"""Where a report's sentence names an image: "image 34 of series 3", "(se 3, im 34)", 第3序列第34幅."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Final

__all__ = ["ImageMention", "image_mentions"]

_RANGE: Final = r"(?:\s*(?:[-–]|to)\s*\d{{1,5}})?"
_IMAGE: Final = r"(?:images?|img|im|slices?)\s*(?:numbers?|nos?\.?|#)?\s*[:#]?\s*(?P<image{n}>\d{{1,5}})(?!\d)" + _RANGE
_SERIES: Final = r"(?:series|ser|se)\.?\s*(?:number|no\.?|#)?\s*[:#]?\s*(?P<series{n}>\d{{1,5}})(?!\d)"
_BETWEEN: Final = r"\s*(?:[,;/|-]|of|on|in|from|at)?\s*(?:the\s+)?"
_ZH_IMAGE: Final = (
    r"(?:第\s*(?P<image{n}>\d{{1,5}})\s*[幅张帧层]|(?:图像|图|image)\s*(?:号)?[:#]?\s*(?P<image{n}b>\d{{1,5}})(?!\d))"
)
_ZH_SERIES: Final = (
    r"(?:第\s*(?P<series{n}>\d{{1,5}})\s*(?:个)?序列|序列\s*(?:号)?[:#]?\s*(?P<series{n}b>\d{{1,5}})(?!\d))"
)
_ZH_BETWEEN: Final = r"\s*[,、/的(]?\s*"
_LEFT: Final = r"(?<![a-z0-9])"
# An image alone is one only where a number is said to be an image's: "slice 3 mm" and "2 images" are none.
_ALONE: Final = r"(?:image|img|im)\s*(?:number|no\.?|#)?\s*[:#]?\s*(?P<image{n}>\d{{1,5}})(?!\d|\s*(?:mm|cm|views?))"
_ANY: Final = re.compile(
    "|".join(
        (
            _LEFT + _IMAGE.format(n=1) + _BETWEEN + _SERIES.format(n=1),
            _LEFT + _SERIES.format(n=2) + _BETWEEN + _IMAGE.format(n=2),
            _ZH_SERIES.format(n=3) + _ZH_BETWEEN + _ZH_IMAGE.format(n=3),
            _ZH_IMAGE.format(n=4) + _ZH_BETWEEN + _ZH_SERIES.format(n=4),
            _LEFT + _ALONE.format(n=5),
            r"第\s*(?P<image6>\d{1,5})\s*[幅帧]",
        )
    ),
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class ImageMention:
    """An image as a sentence names it: its `words`, its number, and its series' number where that is said."""

    words: str
    image: int
    series: int | None = None


def image_mentions(sentence: str) -> tuple[ImageMention, ...]:
    """Return the images that a sentence names, in its order, each once. Of "images 34-36" it is the first.

    >>> image_mentions("Nodule (se 3, im 34).")
    (ImageMention(words='se 3, im 34', image=34, series=3),)
    >>> [(one.series, one.image) for one in image_mentions("结节，见第３序列第34幅。")]
    [(3, 34)]
    """
    found: dict[tuple[int, int | None], ImageMention] = {}
    for match in _ANY.finditer(unicodedata.normalize("NFKC", sentence)):
        said = {
            name[:-1] if name[-1].isdigit() else name[:-2]: int(value)
            for name, value in match.groupdict().items()
            if value
        }
        one = ImageMention(match[0].strip(), said["image"], said.get("series"))
        found.setdefault((one.image, one.series), one)
    return tuple(found.values())
