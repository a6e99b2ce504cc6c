"""The page of an audit: one HTML file that needs no other, runs no script, and tells the verdict first."""

from collections.abc import Iterable
from math import floor, log2
from typing import TYPE_CHECKING, Any

import numpy as np

from miseducation.auditing.duplicates import GREY
from miseducation.auditing.verdict import BAD, FEWEST, MEANING, readable
from miseducation.dataset import Images
from miseducation.figures import audit_words as words
from miseducation.figures.audit_duplicates import duplicates
from miseducation.figures.audit_pictures import common, counterparts
from miseducation.figures.pages import colours, file_of, many, named, picture, plain, table, tile, tiles, whole

if TYPE_CHECKING:
    import pandas as pd

    from miseducation.auditing.marks import Mark

LISTED = 12  # classes of which all are listed, whatever their verdict
GALLERIES, SHOWN = 20, 12  # classes whose pictures are shown, and how many of each
PAIRS, POOL = 200, 2000  # flagged rows of a class that are compared, and ordinary rows that each is compared with
FEW, WRONG = 4, 24  # pairs that tell what they have in common; wrong labels that are shown
LABELS = ("labelled", "label"), ("looks like", "looks_like")


def page(told: dict[str, Any], rows: "pd.DataFrame", images: np.ndarray | Images, marks: Iterable["Mark"] = ()) -> str:
    """The page, which UTF-8 can write whatever names there are; the same input gives the same text.

    Args:
        told: The `summary` of an audit, with `data`, what the user called them, `source`, where they came from, and
            what `Duplicates.told` tells.
        rows: Its `table` of n rows, the worst first.
        images: uint8 `[n, h, w, c]`.
        marks: Those that the audit found.
    """
    grey, names = np.full((1, *images.shape[1:]), GREY, np.uint8), list(told["classes"])
    drawn = {names[mark.label]: mark.pasted(grey)[0] for mark in marks}
    parts = [
        *_verdict(told),
        *_classes(told["classes"]),
        *_backdoors(told["classes"], rows, images, drawn),
        *_wrong_labels(rows[rows["reason"] == "wrong label"], images),
        *duplicates(told, images),
        *_limits(told),
    ]
    return whole(f"{told['verdict'].capitalize()}: audit of {told['data']}", parts)


def _verdict(told: dict[str, Any]) -> list[str]:
    verdict, total = told["verdict"], told["rows"]
    backdoor, marked, wrong = (told[f"{reason}_rows"] for reason in ("backdoor", "mark", "wrong_label"))
    origin = f"<small>{named(told['source']['origin'])}</small>" if told["source"].get("origin") else ""
    skipped = len(told["source"].get("skipped", ()))
    facts = {
        "Data": named(told["data"]) + origin,
        **({"Known to be clean": many(told["trusted_rows"], "other row")} if told["trusted_rows"] else {}),
        "Size": f"{many(total, 'row')}, {many(len(told['classes']), 'class', 'es')}",
        **({"Not read": f"{many(skipped, 'file')}<small>verdict.json lists them</small>"} if skipped else {}),
        "Flagged as part of a backdoor": f"{many(backdoor, 'row')} ({backdoor / total:.1%})",
        **({"Flagged for a mark": f"{many(marked, 'row')} ({marked / total:.1%})"} if marked else {}),
        "Flagged for a wrong label": f"{many(wrong, 'row')} ({wrong / total:.1%})",
    }
    share = told["read_share"]
    meaning = MEANING[verdict][0].upper() + MEANING[verdict][1:]
    return [
        f'<header class="{verdict}"><p>Is this data set poisoned? The verdict of the audit:</p>',
        f'<h1>{verdict.capitalize()}</h1><p class="means">{meaning}.</p></header>',
        f"<dl>{''.join(f'<div><dt>{name}</dt><dd>{fact}</dd></div>' for name, fact in facts.items())}</dl>",
        *([] if readable(share, len(told["classes"])) else [words.UNREAD.format(share=share)]),
    ]


def _classes(classes: dict[str, dict[str, Any]]) -> list[str]:
    """A table of those that are not clean, the worst first; of all where they are few."""
    chosen = {name: each for name, each in classes.items() if len(classes) <= LISTED or each["verdict"] != "clean"}
    rest = len(classes) - len(chosen)
    if not chosen:
        return ["<h2>Classes</h2>", f"<p>All {rest:,} classes are clean.</p>"]
    marked = any(each["marked_rows"] for each in chosen.values())
    lines = [
        [
            named(name),
            f'<span class="tag {each["verdict"]}">{each["verdict"]}</span>',
            *(f"{each[key]:,}" for key in words.COUNTS),
            f"{each['carried_over_at_least']:.1%}",
            *((f"{each['marked_rows']:,}", f"{each['mark_obeyed_at_least']:.1%}") if marked else ()),
            f"{_flagged(each):,}",
        ]
        for name, each in sorted(chosen.items(), key=lambda item: -BAD.index(item[1]["verdict"]))
    ]
    more = [f"<p>And {many(rest, 'clean class', 'es')}.</p>"] if rest else []
    of_marks, explained = (words.MARKS, [words.MARKED]) if marked else ((), [])
    heads = ("Class", "Verdict", *words.COUNTS.values(), "Carried over at least", *of_marks, "Flagged")
    return ["<h2>Classes</h2>", table("numbers", "Classes", heads, lines), *more, words.EXPLAINED, *explained]


def _flagged(told: dict[str, Any]) -> int:
    return sum(told[f"{reason}_rows"] for reason in ("backdoor", "mark", "wrong_label"))


def _backdoors(
    classes: dict[str, dict[str, Any]], rows: "pd.DataFrame", images: np.ndarray | Images, marks: dict[str, np.ndarray]
) -> list[str]:
    """Pictures of each class that is poisoned, or may be, beside what they probably were."""
    bad = [(name, each) for name, each in classes.items() if each["verdict"] in ("suspicious", "poisoned")]
    bad.sort(key=lambda item: (-BAD.index(item[1]["verdict"]), -item[1]["backdoor_rows"]))
    if not bad:
        return []
    parts = ["<h2>What may be a backdoor</h2>", f"<p>{words.BACKDOORS}{colours(images)}</p>"]
    flagged, ordinary = rows[rows["flagged"]], rows[~rows["flagged"]].sort_values("row")
    pools = {name: each.to_numpy()[:POOL] for name, each in ordinary.groupby("label", sort=False)["row"]}
    for name, each in bad[:GALLERIES]:
        parts.append(f"<h3>Class {named(name)}: {each['verdict']}, {many(_flagged(each), 'row')} flagged</h3>")
        told = words.MARK.format(rows=many(each["marked_rows"], "row"), obeyed=each["mark_obeyed_at_least"])
        mark = [tile([picture(marks[name], "the mark")], told)] if name in marks else []
        parts += _pairs(flagged[flagged["label"] == name].head(PAIRS), pools, images, mark)
    if len(bad) > GALLERIES:
        parts.append(f"<p>And {many(len(bad) - GALLERIES, 'class', 'es')} more, whose rows are listed in rows.csv.</p>")
    return parts


def _pairs(
    own: "pd.DataFrame", pools: dict[Any, np.ndarray], images: np.ndarray | Images, mark: list[str]
) -> list[str]:
    """Flagged rows of a class beside their counterparts, and what sets them apart; -1 is no counterpart."""
    flagged, others = own["row"].to_numpy(), np.full(len(own), -1)
    own = own.assign(looks_like=own["looks_like"].where(own["looks_like"] != "", own["label"]))  # of whom nobody asked
    for looks in own["looks_like"].unique():
        chosen = (own["looks_like"] == looks).to_numpy()
        if looks in pools:
            others[chosen] = counterparts(images, flagged[chosen], pools[looks])
    shown = []
    for other, row in zip(others, own.head(SHOWN).to_dict("records"), strict=False):
        both = [picture(images[row["row"]], f"{file_of(row)}, labelled {row['label']}")]
        if other >= 0:
            both.append(picture(images[other], f"its counterpart, an ordinary picture of {row['looks_like']}"))
        shown.append(tile(both, f"{named(file_of(row))}<span>looks like {named(row['looks_like'])}</span>"))
    parts = [tiles("pairs", shown), "<h4>What they have in common</h4>"]
    paired = others >= 0
    if (pairs := int(paired.sum())) < FEW:
        return [*parts, *([tiles("maps", mark)] if mark else ["<p>There are too few of them to say.</p>"])]
    found = common(images, flagged[paired], others[paired])
    times = f", drawn {found.factor} times as strong" if found.factor > 1 else ""
    maps = [
        *mark,
        tile([picture(found.difference, "mean difference")], words.DIFFERENCE.format(pairs=pairs, times=times)),
        tile([picture(found.consistency, "consistency of the difference")], words.CONSISTENT),
    ]
    return [*parts, tiles("maps", maps)]


def _wrong_labels(wrong: "pd.DataFrame", images: np.ndarray | Images) -> list[str]:
    if not len(wrong):
        return ["<h2>Wrong labels</h2>", "<p>No row is flagged for a wrong label.</p>"]
    shown = []
    for row in wrong.head(WRONG).to_dict("records"):
        label, looks = (f"<span>{verb} {named(row[key])}</span>" for verb, key in LABELS)
        alone = picture(images[row["row"]], f"{file_of(row)}, labelled {row['label']}")
        shown.append(tile([alone], f"{named(file_of(row))}{label}{looks}"))
    part = f", of which {WRONG} are shown" if len(wrong) > WRONG else ""
    lead = f"{many(len(wrong), 'row')}{part}. It is not certain that any of them carries a trigger.{colours(images)}"
    return ["<h2>Wrong labels</h2>", f"<p>{lead}</p>", tiles("singles", shown)]


def _limits(told: dict[str, Any]) -> list[str]:
    chance = told["level"]
    few = floor(log2(len(told["classes"]) / chance)) + 1  # if all carry over, see verdict.judge
    terms = "".join(f"<li>{plain(term)}</li>" for term in told["terms"])
    return [
        "<h2>What this audit cannot see</h2>",
        words.BLIND.format(
            trusted=many(told["trusted_rows"], "trusted row") if told["trusted_rows"] else "no trusted row",
            few=few,
            fewest=FEWEST,
            chance=f"{100 * chance:g}%",
        ),
        "<h2>What the audit looks for, in the terms of compliance documents</h2>",
        f"<ul>{terms}</ul>",
    ]
