"""The commands `encoders` and `encoders check`: which encoders there are, and whether one keeps the contract."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

import typer

from radseek.cli.console import print_json, print_notice, print_table
from radseek.cli.options import Device, Json, Precision
from radseek.retrieval.document import NOTICE, describe_encoder
from radseek.retrieval.encoders.download.fetch import fetched_folder
from radseek.retrieval.encoders.encoder_contract import check_encoder
from radseek.retrieval.encoders.known_encoders import KnownEncoder, known_encoders
from radseek.retrieval.encoders.load_encoder import load_encoder
from radseek.retrieval.encoders.registered_encoders import registered_encoders
from radseek.retrieval.errors import EncoderError

__all__ = ["encoders"]


def list_encoders(context: typer.Context, json: Json = False) -> None:
    """List the encoders that are known: input, licence, what they were trained on, whether they are here."""
    if context.invoked_subcommand is not None:
        return
    known = [_about(one) for one in known_encoders().values()]
    registered = [
        {"name": name, "packages": [f"{one.dist.name} {one.dist.version}" for one in points if one.dist is not None]}
        for name, points in registered_encoders().items()
    ]
    if json:
        print_json({"notice": NOTICE, "encoders": known, "registered": registered})
        return
    columns = ["name", "here", "input", "width", "reads", "licence", "trained on", "measured here"]
    print_table("Encoders by name", columns, [_row(one) for one in known])
    if registered:
        rows = [
            [one["name"], ", ".join(one["packages"]), f"radseek encoders check {one['name']}"] for one in registered
        ]
        print_table("Registered by installed packages", ["name", "package", "to check it"], rows)
    print_notice(meaningless=False)


def check_one(
    name: Annotated[str, typer.Argument(help="A name, a checkpoint folder, or hf-hub:OWNER/NAME.")],
    device: Device = None,
    precision: Precision = None,
    json: Json = False,
) -> None:
    """Check an encoder against what every encoder must keep; exit 6 where a rule is broken."""
    encoder = load_encoder(name, device=device, precision=precision)
    found = check_encoder(encoder)
    broken = [one for one in found if not one.passed]
    if json:
        rules = [asdict(one) for one in found]
        about = describe_encoder(encoder.spec)
        print_json({"notice": NOTICE, "encoder": about, "passed": not broken, "rules": rules})
    else:
        rows = [["ok" if one.passed else "BROKEN", one.rule, one.found] for one in found]
        print_table(f"What every encoder must keep: {encoder.spec.name}", ["", "rule", "found"], rows)
        print_notice(meaningless=encoder.spec.meaningless)
    if broken:
        raise EncoderError(
            f"{encoder.spec.name} breaks {len(broken)} of {len(found)} rules; the first: {broken[0].rule}."
        )


def _about(one: KnownEncoder) -> dict[str, Any]:
    """Return a line of the list; `pinned` is None for what comes with radseek."""
    about = {key: value for key, value in asdict(one).items() if key != "text_revisions"}
    installed = not (one.repository or one.by_hand) or fetched_folder(one.name) is not None
    return {**about, "pinned": bool(one.revision) if one.repository else None, "installed": installed}


def _row(one: dict[str, Any]) -> list[object]:
    reads = f"{one['dimensions']}D and text" if one["text"] else f"{one['dimensions']}D, no text"
    terms = " (terms to accept)" if one["terms"] else ""
    wanted = "gated" if one["gated"] else "by hand" if one["by_hand"] else "to fetch"
    here = "yes" if one["installed"] else wanted
    measured = f"docs/results.md: {one['measured']}" if one["measured"] else "no"
    return [one["name"], here, one["input"], one["width"], reads, one["licence"] + terms, one["trained_on"], measured]


encoders = {"": list_encoders, "check": check_one}
