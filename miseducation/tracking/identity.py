"""What makes a result of the pipeline this one and no other, for all versions alike: the next records none again."""

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from miseducation.tracking import results

EVALUATION, DETAILS, TRAINING = "metrics/evaluation.json", "metrics/details.json", "training.json"
# Outputs that the first versions did not have. They tell of the others, of the clock and of the commit: a result is the
# same without them.
LATER = re.compile(rf"{DETAILS}|metrics/((defences/)?report\.html|looks|[^/]+/(timing\.json|learnt\.csv))")
COMPUTED = ("device", "precision", "threads", "processes")  # what they wrote of the machine


def counted(
    folder: Path, hashes: Mapping[str, str], scores: list[dict[str, float]], training: Mapping[str, Mapping[str, Any]]
) -> dict[str, str]:
    """What counts of the outputs, MD5s by path, as the first versions would have had them.

    Args:
        folder: Where they are.
        hashes: All outputs.
        scores: Those in `evaluation.json`, and in `details.json`, if there is one.
        training: For each model, by its folder's name, what its `training.json` holds.
    """
    found = {path: md5 for path, md5 in hashes.items() if not LATER.fullmatch(path)}
    if len(scores) > 1:
        found[EVALUATION] = _md5_of_one_file(*scores)
    for variant, computed in training.items():
        first = {key: value for key, value in computed.items() if key in COMPUTED and isinstance(value, str | int)}
        if first != computed:
            path = f"models/{variant}"
            found[path] = results.digest(folder / path, {TRAINING: _md5(first)})
    return found


def _md5_of_one_file(headline: dict[str, float], details: dict[str, float]) -> str:
    """They had all scores in one file, and there what was counted came behind the shares."""
    counts = {name: score for name, score in headline.items() if name.startswith("poisoned_")}
    scores = {name: score for name, score in headline.items() if name not in counts}
    for name, score in details.items():
        scores |= counts if name in ("poisoned_share", "relabelled_rows") else {}
        scores[name] = score
    return _md5(scores | counts)


def _md5(content: object) -> str:
    """Of the file that `project.files` writes, which would import NumPy."""
    text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
