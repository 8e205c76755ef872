"""Claims of measurements: one quantity of one marked region each, and its change since the prior study."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from radseek.retrieval.explain.claims.claim import Claim
from radseek.retrieval.explain.claims.wording import amount, has, say
from radseek.retrieval.explain.evidence import ChangeItem, Lang, MeasurementItem

__all__ = ["MOST_REGIONS", "change_claims", "measurement_claims"]

MOST_REGIONS = 5  # described one by one; a whole-body segmentation holds a hundred
_DIAMETERS = tuple(f"longest_{plane}_diameter" for plane in ("axial", "coronal", "sagittal", "unknown"))
_SAID = ("volume", *_DIAMETERS, "short_axis", "mean", "components", "laterality")
_CHANGES = ("volume", *_DIAMETERS, "short_axis", "mean")


def measurement_claims(items: Sequence[MeasurementItem], lang: Lang) -> Iterator[Claim]:
    """Yield the claims of each region in turn; beyond `MOST_REGIONS`, only that there are more."""
    labels = list(dict.fromkeys(one.label for one in items))
    for label in labels[:MOST_REGIONS]:
        own = {one.quantity: one for one in items if one.label == label}
        for quantity in _SAID:
            if quantity in own and (text := _measured(own[quantity], own, lang)):
                spread = (own["sd"].id,) if quantity == "mean" and "sd" in own else ()
                yield Claim(text, (own[quantity].id, *spread), label, part="measurement")
    rest = labels[MOST_REGIONS:]
    if rest:
        cites = tuple(one.id for one in items if one.label in rest)
        yield Claim(say("measurement", "more", lang, count=len(rest)), cites, part="measurement")


def change_claims(items: Sequence[ChangeItem], lang: Lang) -> Iterator[Claim]:
    """Yield one claim a quantity that can change, of the first `MOST_REGIONS` regions."""
    labels = list(dict.fromkeys(one.label for one in items))[:MOST_REGIONS]
    for item in items:
        if item.label in labels and item.quantity in _CHANGES:
            yield Claim(_changed(item, lang), (item.id,), item.label, part="change")


def _measured(item: MeasurementItem, own: dict[str, MeasurementItem], lang: Lang) -> str:
    """Return the sentence of one quantity, or "" where it would say nothing: a region in one part is no news."""
    if item.quantity == "laterality":
        side = item.text or ""
        known = side in ("left", "right", "bilateral", "midline")
        return say("measurement", side, lang, label=item.label) if known else ""
    if item.value is None or (item.quantity == "components" and item.value <= 1):
        return ""
    spread = ""
    if item.quantity == "mean" and "sd" in own and own["sd"].value is not None:
        spread = say("measurement", "spread", lang, value=amount(own["sd"].value, own["sd"].unit))
    return say(
        "measurement",
        item.quantity,
        lang,
        label=item.label,
        value=amount(item.value, item.unit),
        slice=_slice(item, lang),
        spread=spread,
    )


def _slice(item: MeasurementItem, lang: Lang) -> str:
    z = item.details.get("slice", item.details.get("z"))
    return say("measurement", "on_slice", lang, slice=int(z) + 1) if isinstance(z, int | float) else ""


def _changed(item: ChangeItem, lang: Lang) -> str:
    before, after = amount(item.before, item.unit), amount(item.after, item.unit)
    quantity = say("quantities", item.quantity, lang) if has("quantities", item.quantity) else item.quantity
    fields = {"quantity": quantity, "label": item.label, "before": before, "after": after}
    if before == after:  # no more than is written may be said
        return say("change", "unchanged", lang, **fields)
    name = "increased" if item.after > item.before else "decreased"
    by = "" if item.percent is None else say("change", "by", lang, percent=f"{abs(item.percent):.0f}")
    return say("change", name, lang, **fields, by=by)
