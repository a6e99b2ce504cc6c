"""What lies beside DVC's record in a pulled experiment, or an artefact folder, as a stranger may have made it.

DVC's record speaks of the forged file as it is, so that nothing but its content can be wrong.
"""

import json
from pathlib import Path

from miseducation.tracking.results import digest
from tests.tracking.made import change

DEEP = "[" * 100_000
LONG = "epoch,loss\n" + "1,0.5\n" * 60_000
HISTORY = "metrics/backdoored/history.csv"
# Of a run of the pipeline.
SCORES: dict[str, str | bytes] = {
    "empty": "",
    "no JSON": "{",
    "a list": "[1]",
    "a number": "1",
    "a text": '{"clean_accuracy": "1"}',
    "a truth": '{"clean_accuracy": true}',
    "nothing": '{"clean_accuracy": null}',
    "a list inside": '{"clean_accuracy": [1]}',
    "no number": '{"clean_accuracy": NaN}',
    "without end": '{"clean_accuracy": 1e999}',
    "hundreds of digits": '{"clean_accuracy": 1' + "0" * 400 + "}",
    "thousands of digits": '{"clean_accuracy": 1' + "0" * 9000 + "}",
    "a path": '{"../../outside/x": 1}',
    "an absolute path": '{"/outside": 1}',
    "a page": '{"<script>alert(1)</script>": 1}',
    "a long name": json.dumps({"x" * 1000: 1}),
    "no name": '{"": 1}',
    "no text": b"\xff\xfe{}",
    "in each other": DEEP,
    "large": "{" + " " * 2_000_000 + "}",
}
INTERVALS: dict[str, str | bytes] = {
    "a list": "[]",
    "one end": '{"clean_accuracy": [1]}',
    "three ends": '{"clean_accuracy": [1, 2, 3]}',
    "a number": '{"clean_accuracy": 1}',
    "a text": '{"clean_accuracy": "ab"}',
    "ends that are texts": '{"clean_accuracy": ["a", "b"]}',
    "ends that are none": '{"clean_accuracy": [null, 1]}',
    "a mapping": '{"clean_accuracy": {"low": 1, "high": 2}}',
    "a path": '{"../x": [0, 1]}',
}
HISTORIES: dict[str, str | bytes] = {
    "no epoch": "loss\n1\n",
    "an epoch in words": "epoch,loss\none,1\n",
    "half an epoch": "epoch,loss\n0.5,1\n",
    "an epoch before the first": "epoch,loss\n-1,1\n",
    "a late epoch": "epoch,loss\n1" + "0" * 30 + ",1\n",
    "a loss in words": "epoch,loss\n1,low\n",
    "too few values": "epoch,loss,accuracy\n1,1\n",
    "too many values": "epoch,loss\n1,1,1\n",
    "a path": "epoch,../../outside/x\n1,1\n",
    "no text": b"epoch,loss\n\xff,1\n",
    "long": LONG,
    "a long value": "epoch,loss\n1," + "9" * 200_000 + "\n",
    "large": "epoch,loss\n" + " " * 20_000_000,
}
TRAININGS: dict[str, str | bytes] = {
    "a list": "[1]",
    "no JSON": "cpu",
    "a path": '{"../x": 1}',
    "half a character": '{"device": "\\ud800"}',
    "half a character in a name": '{"\\ud800": "cpu"}',
    "escapes": '{"device": "\\u001b[2J"}',
    "in each other": DEEP,
    "large": " " * 2_000_000,
}
TIMINGS: dict[str, str | bytes] = {
    "a list": "[1]",
    "nothing": "{}",
    "no time": '{"began": "soon", "seconds": 1}',
    "a number": '{"began": 1, "seconds": 1}',
    "before all clocks": '{"began": "0001-01-01T00:00:00+00:00", "seconds": 1}',
    "escapes": '{"began": "\u001b[2J", "seconds": 1}',
    "for ever": '{"began": "2026-01-01T00:00:00+00:00", "seconds": 1e300}',
    "no end": '{"began": "2026-01-01T00:00:00+00:00", "seconds": null}',
    "back in time": '{"began": "2026-01-01T00:00:00+00:00", "seconds": -1}',
}
CONTENTS = {
    "metrics/backdoored/timing.json": TIMINGS,
    "metrics/evaluation.json": SCORES,
    "metrics/details.json": SCORES,
    "metrics/intervals.json": INTERVALS,
    HISTORY: HISTORIES,
    "models/backdoored/training.json": TRAININGS,
}
FILES = {f"{path}: {name}": (path, text) for path, texts in CONTENTS.items() for name, text in texts.items()}
PLACE = "dataset,attack,label_map,rate,seed"
# Of a study.
TABLES: dict[str, tuple[str, str]] = {
    **{
        f"cells: {name}": ("cells.csv", f"{PLACE},attack_success_rate\n{row}\n")
        for name, row in {
            "a path": "../../outside,badnets,all-to-one,0.1,1,1",
            "a path of an attack": "digits,../x,all-to-one,0.1,1,1",
            "a page": "digits,badnets,<script>,0.1,1,1",
            "no name": ",badnets,all-to-one,0.1,1,1",
            "no rate": "digits,badnets,all-to-one,,1,1",
            "a rate in words": "digits,badnets,all-to-one,few,1,1",
            "no number": "digits,badnets,all-to-one,nan,1,1",
            "too high a rate": "digits,badnets,all-to-one,1.5,1,1",
            "half a seed": "digits,badnets,all-to-one,0.1,0.5,1",
            "no seed": "digits,badnets,all-to-one,0.1,,1",
            "a score in words": "digits,badnets,all-to-one,0.1,1,high",
            "a score without end": "digits,badnets,all-to-one,0.1,1,inf",
            "too few values": "digits,badnets",
            "too many values": "digits,badnets,all-to-one,0.1,1,1,1,1",
        }.items()
    },
    "cells: nothing": ("cells.csv", ""),
    "cells: other columns": ("cells.csv", "a,b\n1,2\n"),
    "cells: a score called as a path": ("cells.csv", f"{PLACE},../x\ndigits,badnets,all-to-one,0.1,1,1\n"),
    "cells: many": ("cells.csv", f"{PLACE}\n" + "digits,badnets,all-to-one,0.1,1\n" * 60_000),
    "means: a path": ("summary.csv", f"{PLACE},attack_success_rate\n../x,badnets,all-to-one,0.1,1,1\n"),
    "means: in words": ("summary.csv", f"{PLACE},attack_success_rate\ndigits,badnets,all-to-one,0.1,1,high\n"),
    "doses: a list": ("dose.json", "[]"),
    "doses: no JSON": ("dose.json", "{"),
    "doses: in each other": ("dose.json", DEEP),
    "doses: a list inside": ("dose.json", '{"digits": []}'),
    "doses: a number inside": ("dose.json", '{"digits": {"badnets/all-to-one": 5}}'),
    **{
        f"doses: {name}": ("dose.json", json.dumps({"digits": {"badnets/x": {"attack_success_rate_50": dose}}}))
        for name, dose in {
            "a rate in words": {"rate": "low", "interval": None, "bound": None},
            "no number": {"rate": float("nan"), "interval": None, "bound": None},
            "one end": {"rate": 0.1, "interval": [0.1], "bound": None},
            "an end in words": {"rate": 0.1, "interval": ["low", None], "bound": None},
            "an interval in words": {"rate": 0.1, "interval": "wide", "bound": None},
            "a number": 5,
        }.items()
    },
    "doses: escapes": ("dose.json", json.dumps({"\x1b[2J" * 2000: 5})),
    "doses: escapes inside": ("dose.json", json.dumps({"digits": {"\x1b[2J" * 2000: 5}})),
    **{
        f"doses: {name}": ("dose.json", json.dumps({"digits": {"badnets/x": {"attack_success_rate_50": dose}}}))
        for name, dose in {"half a bound": {"bound": "\ud800"}, "a bound of escapes": {"bound": "\x1b[2J"}}.items()
    },
    "doses: a path": ("dose.json", '{"../x": {"badnets/x": {"attack_success_rate_50": {"rate": 0.1}}}}'),
}
# What DVC's cache may hold under the MD5 of a folder: lists that came from a stranger's remote.
LISTINGS: dict[str, str] = {
    "up": '[{"md5": "%s", "relpath": "../../../outside/x"}]',
    "absolute": '[{"md5": "%s", "relpath": "/outside/x"}]',
    "backslashes": '[{"md5": "%s", "relpath": "..\\\\x"}]',
    "itself": '[{"md5": "%s", "relpath": "."}]',
    "no path": '[{"md5": "%s"}]',
    "a number": '[{"md5": "%s", "relpath": 5}]',
    "git's": '[{"md5": "%s", "relpath": ".git/hooks/x"}]',
    "below a file": '[{"md5": "%s", "relpath": "x"}, {"md5": "%s", "relpath": "x/y"}]',
    "no MD5": '[{"relpath": "x"}]',
    "an MD5 that is a path": '[{"md5": "../../../../secret", "relpath": "x"}]',
    "a mapping": '{"md5": "%s", "relpath": "x"}',
    "texts": '["x"]',
    "no JSON": "[",
    "many": json.dumps([{"md5": "0" * 32, "relpath": str(number)} for number in range(30_000)]),
}


def forge(root: Path, name: str, content: str | bytes) -> None:
    """Puts a file into a result of the pipeline, and its MD5 into DVC's record."""
    (root / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    path = str(Path(name).parent) if name.startswith("models/") else name

    def settle(lock: dict[str, dict[str, dict[str, list[dict[str, str]]]]]) -> None:
        for out in lock["stages"]["evaluate"]["outs"]:
            out["md5"] = digest(root / path) if out["path"] == path else out["md5"]

    change(root / "dvc.lock", settle)
