"""Encoders that other packages bring, through the entry point group `radseek.encoders`: a class by a name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Final

from radseek.retrieval.encoders.encoder import Encoder
from radseek.retrieval.encoders.spec import EncoderSpec
from radseek.retrieval.errors import EncoderError

__all__ = ["GROUP", "load_registered", "registered_encoders"]

GROUP: Final = "radseek.encoders"


def registered_encoders() -> Mapping[str, tuple[EntryPoint, ...]]:
    """Return the entry points of the installed packages by name, ascending; none of them is imported."""
    found: dict[str, tuple[EntryPoint, ...]] = {}
    for one in entry_points(group=GROUP):
        found[one.name] = (*found.get(one.name, ()), one)
    return dict(sorted(found.items()))


def load_registered(name: str, precision: str, device: str) -> Encoder:
    """Make the encoder that is registered as `name`: its class, called with `precision` and `device`.

    Raises `EncoderError` where several packages have the name, the class cannot be imported or made, or what it makes
    is no encoder or has another name: an index remembers its encoder by name.
    """
    points = registered_encoders()[name]
    where = ", ".join(_where(one) for one in points)
    if len({one.value for one in points}) > 1:
        raise EncoderError(f"Several packages register an encoder '{name}' ({where}); uninstall all but one of them.")
    try:
        make: Callable[..., Encoder] = points[0].load()
        encoder = make(precision=precision, device=device)
    except Exception as error:  # whatever their code does, it is theirs, and said so
        raise EncoderError(
            f"The encoder '{name}' of {where} cannot be made: {type(error).__name__}: {error}. It is called with "
            "precision= and device=; `radseek encoders` lists what is registered."
        ) from error
    _check(encoder, name, where)
    return encoder


def _check(encoder: Encoder, name: str, where: str) -> None:
    if not isinstance(encoder, Encoder):
        lacking = sorted(one for one in dir(Encoder) if not one.startswith("_") and not hasattr(encoder, one))
        raise EncoderError(
            f"What {where} registers as '{name}' is no encoder: it lacks {', '.join(lacking)}; "
            "update that package, or uninstall it."
        )
    if not isinstance(encoder.spec, EncoderSpec) or encoder.spec.name != name:
        named = getattr(encoder.spec, "name", None)
        raise EncoderError(
            f"What {where} registers as '{name}' has a spec of the name '{named}'; it must be an EncoderSpec with the "
            "registered name, by which an index finds its encoder again."
        )


def _where(point: EntryPoint) -> str:
    package = f" of {point.dist.name} {point.dist.version}" if point.dist is not None else ""
    return f"{point.value}{package}"
