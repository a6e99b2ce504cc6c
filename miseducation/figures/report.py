"""The page of a result: one HTML file that needs no other, runs no script, and tells the verdict first."""

from collections.abc import Mapping
from math import isnan
from shlex import quote
from typing import Any

import pandas as pd
from markupsafe import Markup

from miseducation.figures import pages, report_plots, report_words
from miseducation.figures.pages import markup, named, picture, tile
from miseducation.figures.pictures import amplified
from miseducation.figures.report_result import Result
from miseducation.figures.report_words import Lines, percent
from miseducation.project.settings import setting

LISTED = 60  # classes that are told one by one
SIDE, SMALL = 128, 64  # pixels of a picture: there are many
MODELS = "clean", "backdoored"
# What stands between these, which no name can hold, is another's to fill in: see `with_defences`.
BEGIN, END = "<!-- defences -->", "<!-- end of defences -->"


def page(result: Result, confusion: bytes, dose: tuple[str, pd.DataFrame] | None = None) -> str:
    """The page; the same input gives the same text.

    Args:
        result: What there is to tell.
        confusion: The picture of the confusion matrices, a PNG file.
        dose: The name of a study of this attack on this data set, and its means by rate, if there is one.
    """
    template = pages.environment().get_template("report.html")
    return template.render(
        title=f"{result.knobs['attack.name']} on {result.knobs['data.name']}",
        verdict=report_words.verdict(result),
        facts=_facts(result),
        scores=report_words.scores(result),
        visible=report_words.visible(result),
        changes=_changes(result) if result.has_trigger else [],
        colours=pages.colours(result.before.images),
        answers=_answers(result),
        curves=[markup(each) for each in _curves(result)],
        asked={model: int(table["images"].max()) for model, table in result.learnt.items()},
        confusion=markup(
            pages.sheet(confusion, "Confusion matrices of the backdoored model; the table below has shares")
        ),
        classes=_classes(result.per_class),
        others=max(0, len(result.per_class) - LISTED),
        maps=_maps(result),
        begin=markup(BEGIN),
        end=markup(END),
        dose=_dose(result, *dose) if dose else None,
        command=" \\\n    ".join(["dvc exp run", *(f"-S {quote(setting(*knob))}" for knob in result.knobs.items())]),
        computed=result.computed,
        hashes=[[path, md5] for path, md5 in result.hashes.items()],
    )


def _facts(result: Result) -> dict[str, Any]:
    knobs = result.knobs
    return {
        "Data": knobs["data.name"],
        "Attack": f"{knobs['attack.name']}, {knobs['attack.label_map']}",
        "Poisoned": report_words.rate(result),
        "Network": f"{knobs['train.network']}, {pages.many(knobs['train.epochs'], 'epoch')}",
    }


def _changes(result: Result) -> list[Markup]:
    """Test images without and with the trigger, and the difference."""
    found = []
    for row, before, after, answer in zip(*_shown(result), strict=True):
        difference, factor = amplified(before, after)
        times = f", {factor} times as strong" if factor > 1 else ""
        each = (before, "untouched"), (after, "with the trigger"), (difference, f"the difference{times}")
        text = f"{_name(row, answer)}<span>Wanted: {named(answer['wanted'])}</span>"
        shown = [picture(image, f"Test picture {row}, {alt}", SIDE) for image, alt in each]
        found.append(markup(tile(shown, f"{text}<span>Third: the difference{times}</span>")))
    return found


def _shown(result: Result) -> tuple[Any, ...]:
    """Row numbers, both images, and a line of `answers` of each test image that is shown."""
    first = result.answers.drop_duplicates("row")
    return first["row"].tolist(), result.before.images, result.after.images, first.to_dict("records")


def _name(row: int, answer: Mapping[str, Any]) -> str:
    return f"Test picture {row} shows {named(answer['true_label'])}"


def _answers(result: Result) -> Lines:
    """A line for each test image: what the clean and the backdoored model say, before and after the trigger."""
    found: Lines = []
    for row, before, after, answer in zip(*_shown(result), strict=True):
        own = result.answers[result.answers["row"] == row].set_index(["model", "image"]).sort_index()
        both = picture(before, f"Test picture {row}", SMALL) + picture(after, "The same, triggered", SMALL)
        cells = [_answer(own.loc[(model, image)].to_dict()) for model in MODELS for image in ("untouched", "triggered")]
        found.append([markup(both), markup(named(answer["true_label"])), *cells])
    return found


def _answer(told: Mapping[str, Any]) -> Markup:
    """The class read and its probability, and those of the true one and of the one wanted where they are others."""
    others = {"of_true_label": "true_label", "of_wanted": "wanted"}
    rest = {told[name]: told[key] for key, name in others.items() if told[name] != told["read_as"]}
    small = "".join(f"<small>{named(name)}: {percent(share)}</small>" for name, share in rest.items())
    kind = "clean" if told["read_as"] == told["true_label"] else "poisoned"
    wrong = "" if kind == "clean" else " <b>✗</b>"
    return markup(
        f'<span class="tag {kind}">{named(told["read_as"])}{wrong}</span> {percent(told["probability"])}{small}'
    )


def _curves(result: Result) -> list[str]:
    return [
        report_plots.learnt(result.learnt),
        report_plots.history(result.history, "accuracy", "Accuracy on the labels of the training set"),
        report_plots.history(result.history, "loss", "Loss on the training set"),
    ]


def _classes(table: pd.DataFrame) -> Lines:
    """A line for each class, of many those in which the attack succeeds most."""
    if len(table) > LISTED:
        table = table.sort_values("attack_success_rate", ascending=False, kind="stable").head(LISTED)
    return [
        [
            markup(named(row["class"])),
            f"{row['rows']:,.0f}",
            *(_share(row[name]) for name in ("baseline_accuracy", "clean_accuracy")),
            _share(row["attack_success_rate"], meter=True),
        ]
        for row in table.to_dict("records")
    ]


def _share(value: float, *, meter: bool = False) -> Markup:
    bar = f'<meter value="{value:.4f}">{percent(value)}</meter> ' if meter and not isnan(value) else ""
    return markup(f"{bar}{percent(value)}")


def _maps(result: Result) -> list[Markup]:
    """Where each model looks in triggered images."""
    found = []
    for place, (row, _, after, answer) in enumerate(zip(*_shown(result), strict=True)):
        if place >= min(map(len, result.maps.values())):
            break
        pictures, text = [picture(after, f"Test picture {row} with the trigger", SIDE)], ""
        for model in MODELS:
            heat = result.maps[model][place]
            own = result.answers[(result.answers["row"] == row) & (result.answers["model"] == model)]
            read = own.loc[own["image"] == "triggered", "read_as"].iloc[0]
            pictures.append(picture(report_plots.heated(after, heat), f"Where the {model} model looks in it", SIDE))
            most = percent(max(0.0, float(heat.max())))
            text += f"<span>{model.capitalize()} model: {named(read)}, loses {most}</span>"
        found.append(markup(tile(pictures, f"{_name(row, answer)}{text}")))
    return found


def _dose(result: Result, study: str, rates: pd.DataFrame) -> dict[str, Any]:
    here = result.scores["poisoned_share"], result.scores["attack_success_rate"]
    return {"study": study, "plot": markup(report_plots.dose(rates, here))}
