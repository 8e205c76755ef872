"""The commands by name, each imported when it is run or its own help is asked for: `radseek --help` needs none.

A command's modules bring in what reads scans and searches, which takes seconds. What the list of commands says of each
is therefore written here; tests/test_cli.py holds it against the commands themselves.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import import_module
from typing import Any, Final

import typer
from typer.core import TyperGroup

from radseek.retrieval.errors import RadseekError

__all__ = ["COMMANDS", "EXAMPLES", "INTERRUPTED_MESSAGE", "InterruptedCommandError", "LateCommands", "import_for"]

# each command's module, and what its own help says first; a module has a function of the command's name, or, for two
# words, a mapping from the second to its function, and from "" to what the first does alone
COMMANDS: Final = {
    "build": ("index_commands", "Add every study under SOURCES to an index."),
    "merge": ("merge_command", "Merge the shards that `radseek build --shard` wrote into one index."),
    "watch": (
        "watch_command",
        "Add studies to an index as they arrive, each once its files stand still, until Ctrl-C.",
    ),
    "sync": (
        "sync_command",
        "Add what is new under SOURCES, replace what changed, and list what left, or forget it when told.",
    ),
    "screen": ("screen_command", "Score findings in every study of TARGET: no training, any words."),
    "classify": ("ask_commands", "Share one between labels that exclude each other, for every study of TARGET."),
    "similar": (
        "ask_commands",
        "Find the earlier cases most like the study at TARGET, or like a masked region of it, and their reports.",
    ),
    "search": ("ask_commands", "Find studies and report sentences in words."),
    "explain": (
        "explain_command",
        "Say what was seen in the study at TARGET and where, with earlier cases, measurements and every source.",
    ),
    "heatmap": (
        "heatmap_command",
        "Write where a finding is seen in the study at TARGET, where its map passes its checks.",
    ),
    "adapt": (
        "adapt_command",
        "Fit how slices are pooled to the reports in an index; kept only where it is better on patients held out.",
    ),
    "evaluate": ("evaluate_command", "Measure an index's zero-shot scores, and its retrieval, against labels."),
    "compare": (
        "compare_command",
        "Build an index with each encoder and compare their scores on the same labelled studies, with time and memory.",
    ),
    "calibrate": (
        "calibrate_command",
        "Fit probabilities and states to labels of an index's studies, and keep them in it: `screen` then uses them.",
    ),
    "probe": (
        "probe_command",
        "Fit one finding to labels, starting from its words; say what labels bring, and keep it as probe:NAME.",
    ),
    "prompts": ("prompts_commands", "Test the words of findings, or choose among them by labels."),
    "encoders": (
        "encoders_commands",
        "List the encoders that are known: input, licence, what they were trained on, whether they are here.",
    ),
    "reports": ("reports_command", "Add reports to the studies of an index, or replace them: no image is read."),
    "resolve": (
        "resolve_command",
        "Say what studies are called outside: accession number, date, StudyInstanceUID and path.",
    ),
    "info": ("index_commands", "Say what an index holds and which encoder built it."),
    "verify": (
        "index_commands",
        "Recount and re-hash everything in an index; exit 5 where it is not what was written.",
    ),
    "compact": (
        "index_commands",
        "Delete forgotten studies from disk for good, and make again what is derived from the others.",
    ),
    "forget": ("index_commands", "Remove studies or patients for good."),
    "relink": ("index_commands", "Tell an index that its archive was moved, so that images are found again."),
    "fetch": ("index_commands", "Make a self-contained model folder, for this machine or one without a network."),
    "phantoms": ("index_commands", "Write a synthetic cohort with known answers."),
    "milvus": ("milvus_command", "Keep the views of an index in Milvus too, where a large archive is searched."),
    "serve": ("serve_commands", "Answer over HTTP: the API under /v1, and the web page."),
    "demo": ("serve_commands", "Open the web page in the browser; without an index on synthetic scans."),
    "doctor": (
        "doctor",
        "Check this installation: packages, decoders, the key, the built-in encoder, memory and cores.",
    ),
}

# what each command's own help ends with; tests/test_command_help.py holds that the command takes it
EXAMPLES: Final = {
    "build": "radseek build scans --index archive.index --reports reports.csv",
    "merge": "radseek merge archive.index archive.index.shards/*",
    "watch": "radseek watch /incoming --index archive.index",
    "sync": "radseek sync /archive --index archive.index --forget",
    "screen": "radseek screen archive.index --findings chest_ct --format parquet --out scores.parquet --resume",
    "classify": "radseek classify image.png --label 'a chest radiograph' --label 'a hand radiograph'",
    "similar": "radseek similar scan.nii.gz --index archive.index -k 5 --where age=40-60",
    "search": "radseek search 'pleural effusion' --index archive.index --within reports",
    "explain": "radseek explain scan.nii.gz --modality CT --finding 'pleural effusion' --out explained.html",
    "heatmap": "radseek heatmap scan.nii.gz --modality CT --finding 'pleural effusion' --out effusion.png",
    "adapt": "radseek adapt archive.index",
    "evaluate": "radseek evaluate archive.index --labels labels.csv --out evaluation",
    "compare": "radseek compare scans --models builtin,biomedclip --labels labels.csv --out comparison",
    "calibrate": "radseek calibrate archive.index --labels labels.csv --findings chest_ct --sensitivity 0.95",
    "probe": "radseek probe archive.index --labels labels.csv --finding 'pleural effusion'",
    "prompts": "radseek prompts test chest_xray --index archive.index",
    "prompts test": "radseek prompts test chest_xray --index archive.index",
    "prompts tune": "radseek prompts tune archive.index --labels labels.csv --findings chest_xray",
    "encoders": "radseek encoders --json",
    "encoders check": "radseek encoders check builtin",
    "reports": "radseek reports archive.index --reports reports.csv",
    "resolve": "radseek resolve 2.25.123456789 --index archive.index",
    "info": "radseek info archive.index --json",
    "verify": "radseek verify archive.index",
    "compact": "radseek compact archive.index",
    "forget": "radseek forget archive.index --patient PH00012345",
    "relink": "radseek relink archive.index --from /mnt/old --to /mnt/new",
    "fetch": "radseek fetch biomedclip --to models/biomedclip",
    "phantoms": "radseek phantoms cohort --studies 20",
    "milvus": "radseek milvus push archive.index --uri http://localhost:19530",
    "milvus push": "radseek milvus push archive.index --uri http://localhost:19530",
    "serve": "radseek serve --index archive.index --port 7861",
    "demo": "radseek demo --index archive.index",
    "doctor": "radseek doctor --json",
}

INTERRUPTED_MESSAGE: Final = "interrupted; what was finished stays: run the same command again"


class InterruptedCommandError(RadseekError):
    """Ctrl-C, on its way through typer to a sentence."""


class _ByName(Mapping[str, Any]):
    """The commands by name, each imported when it is looked up."""

    def __getitem__(self, name: str) -> Any:
        if name not in COMMANDS:
            raise KeyError(name)
        return command_of(name)

    def __iter__(self) -> Iterator[str]:
        return iter(COMMANDS)

    def __len__(self) -> int:
        return len(COMMANDS)


class LateCommands(TyperGroup):
    """The group of all commands."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.commands: Any = _ByName()

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names, in the order of the help."""
        return list(COMMANDS)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, said) for name, (_, said) in COMMANDS.items()])


def import_for(arguments: Sequence[str]) -> None:
    """Import the command that arguments name first, if they name one."""
    for one in arguments:
        if not one.startswith("-"):  # options may stand before it
            if one in COMMANDS:
                command_of(one)
            return


@functools.cache
def command_of(name: str) -> Any:
    """Return the command of a name of `COMMANDS`. Raises `InterruptedCommandError` on Ctrl-C while it is imported."""
    try:
        module = import_module(f"radseek.cli.{COMMANDS[name][0]}")
    except KeyboardInterrupt:
        raise InterruptedCommandError(INTERRUPTED_MESSAGE) from None
    found, epilog = getattr(module, name), f"Example: {EXAMPLES[name]}"
    if isinstance(found, Mapping):  # of two words, such as `prompts test`
        alone = found.get("")
        group = _plain(no_args_is_help=alone is None, invoke_without_command=alone is not None)
        group.callback(help=COMMANDS[name][1], epilog=epilog)(_interruptible(alone or _nothing))
        for second, called in ((one, two) for one, two in found.items() if one):
            group.command(second, epilog=f"Example: {EXAMPLES[f'{name} {second}']}")(_interruptible(called))
        return typer.main.get_group(group)
    one = _plain()
    one.command(name, epilog=epilog)(_interruptible(found))
    return typer.main.get_command(one)


def _nothing() -> None:
    """What a command of two words does before the second."""


def _plain(**settings: Any) -> typer.Typer:
    return typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None, **settings)


def _interruptible(command: Callable[..., None]) -> Callable[..., None]:
    """Return a command of the same options whose Ctrl-C is told as ours, and not as typer's "Aborted"."""

    @functools.wraps(command)
    def called(*given: Any, **named: Any) -> None:
        try:
            command(*given, **named)
        except KeyboardInterrupt:
            raise InterruptedCommandError(INTERRUPTED_MESSAGE) from None

    return called
