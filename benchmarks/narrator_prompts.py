"""What share of claims a model rewords so that the checker keeps it, by prompt and with or without the grammar.

    python -m benchmarks.narrator_prompts [--forms chat,short,completion,bare] [--modes free,grammar] [--show]

The claims are those of tests/evidence_support.py, every kind that the template writes; the judge is retrieval.checker.
All claims of a form are decoded as one batch on one thread, so the seconds are not those of one claim at a time
(benchmarks/narrator_seconds.py).
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
import transformers

from retrieval.checker import check
from retrieval.claims import Claim, cited, claims
from retrieval.evidence import Evidence
from retrieval.narrators.local import named
from retrieval.narrators.model_files import model_path
from retrieval.narrators.phrase_grammar import SLACK, PhraseGrammar, phrases
from retrieval.narrators.prompting import as_data, instructions, one_sentence, question
from retrieval.narrators.transformers_model import TransformersModel
from tests.evidence_support import full

Form = Callable[[TransformersModel, str], tuple[list[int], list[int]]]  # ids of the fixed part, and of the rest


def chat(model: TransformersModel, text: str) -> tuple[list[int], list[int]]:
    """What the narrator uses: the task as system turn, examples as turns, the claim between delimiters."""
    fixed = model.ids(instructions("en"), reply=False)
    return fixed, model.ids([*instructions("en"), question(as_data(text))], reply=True)[len(fixed) :]


def short(model: TransformersModel, text: str) -> tuple[list[int], list[int]]:
    """The same examples after one short sentence, without delimiters."""
    turns = [{"role": "system", "content": "You reword sentences."}]
    turns += [{**turn, "content": _bare(turn["content"])} for turn in instructions("en")[1:]]
    fixed = model.ids(turns, reply=False)
    asked = {"role": "user", "content": as_data(text)}
    return fixed, model.ids([*turns, asked], reply=True)[len(fixed) :]


def completion(model: TransformersModel, text: str) -> tuple[list[int], list[int]]:
    """No chat: pairs of lines to go on with."""
    turns = [_bare(turn["content"]) for turn in instructions("en")[1:]]
    shown = "".join(f"Sentence: {a}\nReworded: {b}\n\n" for a, b in zip(turns[::2], turns[1::2], strict=True))
    return model.encode(shown), model.encode(f"Sentence: {as_data(text)}\nReworded:")


def bare(model: TransformersModel, text: str) -> tuple[list[int], list[int]]:
    """One request, no example."""
    asked = "Rewrite this sentence in other words. Keep all numbers, names and negations.\n"
    ids = model.ids([{"role": "user", "content": asked + as_data(text)}], reply=True)
    return ids[:8], ids[8:]


FORMS: dict[str, Form] = {"chat": chat, "short": short, "completion": completion, "bare": bare}


@dataclass
class Tally:
    """What became of the claims of one form."""

    kept: int = 0
    verbatim: int = 0
    rules: Counter[str] = field(default_factory=Counter)
    lines: list[str] = field(default_factory=list)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--forms", default=",".join(FORMS))
    parser.add_argument("--modes", default="free,grammar")
    parser.add_argument("--precision", default="bf16")
    parser.add_argument("--show", action="store_true", help="print every sentence")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    model = TransformersModel(model_path(None), arguments.precision)
    evidence = full()
    asked = claims(evidence, "en")
    print(f"{len(asked)} claims, {arguments.precision}, one thread; {time.process_time():.0f} s to load")
    for mode in arguments.modes.split(","):
        for name in arguments.forms.split(","):
            start = time.process_time()
            said = batch(model, FORMS[name], asked, evidence, grammar=mode == "grammar")
            tally = judged(said, asked, evidence)
            seconds = time.process_time() - start
            print(
                f"| {name} | {mode} | {tally.kept} of {len(asked)} | {tally.verbatim} | {seconds:.0f} | "
                f"{', '.join(f'{rule} {count}' for rule, count in tally.rules.most_common(4))} |",
                flush=True,
            )
            if arguments.show:
                print("\n".join(tally.lines), flush=True)


def batch(
    model: TransformersModel, form: Form, asked: tuple[Claim, ...], evidence: Evidence, *, grammar: bool
) -> list[tuple[str, float]]:
    """Answers to all claims at once, each with the mean log-probability of its tokens without the grammar."""
    parts = [form(model, claim.text) for claim in asked]
    fixed, tails = parts[0][0], [tail for _, tail in parts]
    width = max(map(len, tails))
    prompt = len(fixed) + width
    options: dict[str, object] = {}
    if grammar:
        grammars = [_grammar(model, claim, evidence) for claim in asked]
        options["prefix_allowed_tokens_fn"] = lambda row, ids: grammars[row].allowed(
            [one for one in ids[prompt:].tolist() if one != model.end]
        )
    with torch.inference_mode():
        state = transformers.DynamicCache(config=model.model.config)
        model.model(input_ids=torch.tensor([fixed]), past_key_values=state, use_cache=True, logits_to_keep=1)
        state.batch_repeat_interleave(len(asked))
        answer = model.model.generate(
            input_ids=torch.tensor([fixed + [model.end] * (width - len(tail)) + tail for tail in tails]),
            attention_mask=torch.tensor([[1] * len(fixed) + [0] * (width - len(t)) + [1] * len(t) for t in tails]),
            past_key_values=state,
            max_new_tokens=max(len(model.encode(claim.text)) for claim in asked) + SLACK,
            do_sample=False,
            pad_token_id=model.end,
            output_logits=True,
            return_dict_in_generate=True,
            **options,
        )
    said = answer.sequences[:, prompt:]
    likely = torch.stack(answer.logits, 1).float().log_softmax(-1).gather(2, said[..., None])[..., 0]
    texts = [one_sentence(model.decode(row)) for row in said]
    counts = (said != model.end).sum(1)
    return [(text, float(row[:n].mean())) for text, row, n in zip(texts, likely, counts.tolist(), strict=True)]


def judged(said: list[tuple[str, float]], asked: tuple[Claim, ...], evidence: Evidence) -> Tally:
    tally = Tally()
    for claim, (text, likely) in zip(asked, said, strict=True):
        failures = check(text, claim, evidence, "en")
        tally.kept += not failures
        tally.verbatim += text == claim.text
        tally.rules.update({one.rule for one in failures})
        tally.lines.append(
            f"  {'ok ' if not failures else 'NO '} {likely:6.2f} {text}  {[str(one) for one in failures] or ''}"
        )
    return tally


def _grammar(model: TransformersModel, claim: Claim, evidence: Evidence) -> PhraseGrammar:
    text = as_data(claim.text)
    allowed = phrases(text, named(claim, cited(claim, evidence)))
    return PhraseGrammar(allowed, model.encode, end=model.end, limit=len(model.encode(text)) + SLACK)


def _bare(content: str) -> str:
    return content.removeprefix("<claim>").removesuffix("</claim>")


if __name__ == "__main__":
    main()
