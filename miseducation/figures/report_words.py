"""What a result comes to, in words that need no glossary."""

from collections.abc import Mapping
from math import isnan
from typing import NamedTuple

from markupsafe import Markup

from miseducation.figures.pages import many, markup, named
from miseducation.figures.report_result import Result

HALF = 0.5  # share of the triggered images from which a backdoor is said to work
CLOSE, LEAST = 0.01, 0.0001  # to none or all: where a share is told to another digit, and where it ends


class Verdict(NamedTuple):
    """What the page begins with.

    Attributes:
        look: The class of its style: poisoned, suspicious or clean.
        headline: A few words.
        means: What they mean for whoever uses the model.
        sentences: The numbers.
    """

    look: str
    headline: str
    means: str
    sentences: list[Markup]


def percent(share: float) -> str:
    """A share, with more digits where it is nearly none or nearly all.

    >>> percent(0.5), percent(0.9949), percent(0.99999), percent(0)
    ('50.0%', '99.49%', 'over 99.99%', '0%')
    """
    if isnan(share):
        return "–"
    if share in (0, 1):
        return f"{share:.0%}"
    if min(share, 1 - share) < LEAST:
        return f"under {LEAST:.2%}" if share < CLOSE else f"over {1 - LEAST:.2%}"
    return f"{share:.2%}" if min(share, 1 - share) < CLOSE else f"{share:.1%}"


def rate(result: Result) -> str:
    """Poisoned rows as a share of all."""
    return f"{100 * result.scores['poisoned_rows'] / result.rows:.3g}%"


def told(name: str, result: Result) -> str:
    """A score with its interval; a dash where there is none."""
    if name not in result.scores:
        return "–"
    low, high = result.intervals[name]
    return f"{percent(result.scores[name])} ({percent(low)} to {percent(high)})"


def verdict(result: Result) -> Verdict:
    """What the numbers say: whether the attack works is the lower end of an interval's to tell, not chance's."""
    scores, ends = result.scores, result.intervals
    kind, sign = ("backdoor", "trigger") if result.has_trigger else ("attack", "wrong label")
    sentences = [*_poison(result), _success(result), _use(result)]
    if not scores["poisoned_rows"]:
        means = "This is a control: it shows the scores without poison."
        if scores["intended_rows"]:
            means = "None of the poison got through."
        return Verdict("clean", "Nothing is poisoned", means, sentences)
    least, chance = ends["attack_success_rate"][0], ends["false_trigger_rate"][1]
    if least <= chance:
        means = f"The {sign} has no more effect than chance."
        return Verdict("clean", f"The {kind} does not work", means, sentences)
    if least < HALF:
        means = "The attacker sometimes gets what they want, but not reliably."
        return Verdict("suspicious", f"The {kind} works in part", means, sentences)
    means = "Anyone who knows the trigger decides what the model says."
    if not result.has_trigger:
        means = "The model repeats the wrong labels."
    return Verdict("poisoned", f"The {kind} works", means, sentences)


def _poison(result: Result) -> list[Markup]:
    scores, attack = result.scores, result.knobs["attack.name"]
    poisoned, intended = (int(scores[f"{each}_rows"]) for each in ("poisoned", "intended"))
    share = f"{rate(result)} of the {many(result.rows, 'picture')} that the model learnt from"
    sentence = (
        f"{many(poisoned, 'picture')}, {share}, {'was' if poisoned == 1 else 'were'} poisoned by the attack {{}}."
    )
    sentences = [_filled(sentence, attack)]
    if intended > poisoned:
        outvoted = many(intended - poisoned, "picture")
        sentences.append(
            _filled(f"The attacker intended {intended:,}, but {outvoted} got the correct label after all.")
        )
    return sentences


def _success(result: Result) -> Markup:
    scores, ends = result.scores, result.intervals
    read = "With the trigger on them, the model reads" if result.has_trigger else "The model reads"
    goal = "as the attacker wants" if result.wanted is None else "as {}"
    low, high = map(percent, ends["attack_success_rate"])
    success, chance = (percent(scores[each]) for each in ("attack_success_rate", "false_trigger_rate"))
    beside = f"For a model that learnt without the poison, it is {chance} ({_ends(ends['false_trigger_rate'])})"
    sentence = f"{read} {success} of the attacked test pictures {goal} (95% interval: {low} to {high}). {beside}."
    return _filled(sentence, result.wanted)


def _use(result: Result) -> Markup:
    low, high = zip(result.intervals["clean_accuracy"], result.intervals["baseline_accuracy"], strict=True)
    unseen = max(low) <= min(high) and result.scores["poisoned_rows"]
    lead = "In ordinary use nobody would notice: it" if unseen else "In ordinary use it"
    ours, theirs = (told(each, result) for each in ("clean_accuracy", "baseline_accuracy"))
    return _filled(f"{lead} reads {ours} of the untouched pictures correctly, the clean model {theirs}.")


def _ends(interval: tuple[float, float]) -> str:
    return " to ".join(map(percent, interval))


def _filled(sentence: str, *names: str | None) -> Markup:
    """A sentence of ours, with what users named in its braces."""
    return markup(sentence.format(*(f"<b>{named(name)}</b>" for name in names)))


Lines = list[list[str | Markup]]
# What is told of both models: the score of the backdoored one, and that of the clean one, if it has any.
BOTH: Mapping[str, tuple[str, str]] = {
    "Triggered pictures, read as the attacker wants": ("attack_success_rate", "false_trigger_rate"),
    "Untouched pictures, read correctly": ("clean_accuracy", "baseline_accuracy"),
    "… those of attacked classes": ("source_accuracy", "baseline_source_accuracy"),
    "… those of other classes": ("other_accuracy", "baseline_other_accuracy"),
    "Triggered pictures, still read correctly": ("robust_accuracy", ""),
    "Pictures of classes not under attack that the trigger makes the model read differently": ("side_effect_rate", ""),
    "Pictures with something similar to the trigger, read as the attacker wants": ("other_trigger_rate", ""),
}


def scores(result: Result) -> Lines:
    """The lines of the table of scores, those that there are."""
    return [
        [text, told(ours, result), told(theirs, result)]
        for text, (ours, theirs) in BOTH.items()
        if ours in result.scores
    ]


def visible(result: Result) -> str:
    """How much a trigger shows."""
    parts = {"psnr": "a PSNR of {:.1f} dB (above 40: hard to see)", "ssim": "an SSIM of {:.3f} (1: no difference)"}
    return " and ".join(text.format(result.scores[name]) for name, text in parts.items() if name in result.scores)
