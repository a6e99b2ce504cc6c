"""DVC's records as a stranger may have written them: edits of a whole one, and files that are none."""

from collections.abc import Callable
from typing import Any

from tests.tracking.made import md5

SEEDED = ("poison", "evaluate")  # the stages that read the seed
Edit = Callable[[Any], object]
# From a folder of its own below the system's temporary one, `outside` is where nothing may be written.
PATHS: dict[str, object] = {
    "up": "metrics/../../../outside/x",
    "up and back": "metrics/../metrics/x",
    "up from a model": "models/../../outside/x",
    "up at the end": "metrics/x/..",
    "absolute": "/outside/x",
    "absolute below": "metrics//outside/x",
    "home": "~/outside/x",
    "home of another": "~root/x",
    "home below": "metrics/~/x",
    "backslashes": "metrics\\..\\..\\outside\\x",
    "a drive": "C:/outside/x",
    "git's hooks": ".git/hooks/post-checkout",
    "git's hooks below": "metrics/.GIT/hooks/post-checkout",
    "empty": "",
    "here": ".",
    "here below": "metrics/./x",
    "a slash at the end": "metrics/x/",
    "NUL": "metrics/x\0y",
    "a line break": "metrics/x\ny",
    "escapes": "metrics/\x1b[2Jx",
    "to the left": "metrics/\u202excod",
    "half a character": "metrics/\ud800",
    "an address": "s3://bucket/x",
    "quoted": "metrics/%2e%2e/%2e%2e/x",
    "per cent": "metrics/50%.png",
    "a place in a page": "metrics/a#b.csv",
    "long": "metrics/" + "x" * 300,
    "many bytes": "metrics/" + "字" * 90,
    "deep": "metrics/" + "x/" * 400 + "x",
    "a number": 5,
    "nothing": None,
    "a list": ["metrics/x"],
    "the record itself": "dvc.lock",
    "below the record": "dvc.lock/x",
    "all metrics": "metrics",
    "below a file": "metrics/evaluation.json/x",
    "twice": "metrics/evaluation.json",
}
NAMES: dict[str, object] = {
    "up": "../../outside",
    "a path": "a/b",
    "absolute": "/outside",
    "hidden": ".hidden",
    "empty": "",
    "backslashes": "..\\outside",
    "a page": "</script><script>alert(1)</script>",
    "escapes": "\x1b[2J",
    "NUL": "x\0",
    "long": "x" * 1000,
    "many bytes": "字" * 100,
    "a number": 7,
    "nothing": None,
    "a list": ["toy"],
    "a mapping": {"toy": "toy"},
}


def with_output(path: object) -> Edit:
    """One more output."""
    return lambda lock: lock["stages"]["evaluate"]["outs"].append({"path": path, "hash": "md5", "md5": md5("pwned")})


def with_md5(digest: object) -> Edit:
    return lambda lock: lock["stages"]["evaluate"]["outs"][1].update(md5=digest)


def with_knob(section: str, key: str, value: object, stage: str = "poison") -> Edit:
    def edit(lock: Any) -> None:
        sections = lock["stages"][stage]["params"]["params.yaml"]
        sections[section] = sections.get(section, {}) | {key: value}

    return edit


def with_seed(value: object) -> Edit:
    """Of all stages alike."""
    return lambda lock: [lock["stages"][stage]["params"]["params.yaml"].update(seed=value) for stage in SEEDED]


def with_stage(content: object, stage: str = "evaluate") -> Edit:
    return lambda lock: lock["stages"].update({stage: content})


def without(*keys: Any) -> Edit:
    def edit(lock: Any) -> None:
        for key in keys[:-1]:
            lock = lock[key]
        del lock[keys[-1]]

    return edit


MD5S: list[object] = ["", "x", "../" * 12, "A" * 32, 5, None, [], "0" * 33]
RATES: list[object] = ["x", None, [], float("nan"), float("inf")]
SEEDS: list[object] = [-1, 0.5, "x", None, 2**64, [1]]
OUT = ("stages", "evaluate", "outs", 0)
EDITS: dict[str, Edit] = {
    **{f"output: {name}": with_output(path) for name, path in PATHS.items()},
    **{f"data set: {name}": with_knob("data", "name", value, "download") for name, value in NAMES.items()},
    **{f"attack: {name}": with_knob("attack", "name", value) for name, value in NAMES.items()},
    **{f"md5: {value!r:.20}": with_md5(value) for value in MD5S},
    **{f"rate: {value!r}": with_knob("attack", "rate", value) for value in RATES},
    **{f"seed: {value!r:.20}": with_seed(value) for value in SEEDS},
    "an output without md5": without(*OUT, "md5"),
    "an output without path": without(*OUT, "path"),
    "an output is a text": lambda lock: lock["stages"]["evaluate"]["outs"].append("metrics/x"),
    "outputs are a text": lambda lock: lock["stages"]["evaluate"].update(outs="metrics"),
    "outputs are a mapping": lambda lock: lock["stages"]["evaluate"].update(outs={"path": "metrics"}),
    "data set: MLflow's own": with_knob("data", "name", "Default", "download"),
    "too many outputs": lambda lock: lock["stages"]["evaluate"]["outs"].extend(
        {"path": f"metrics/{number}", "md5": md5("x")} for number in range(2000)
    ),
    "dependencies are a text": lambda lock: lock["stages"]["evaluate"].update(deps="metrics"),
    "a dependency is a text": lambda lock: lock["stages"]["evaluate"]["deps"].append("metrics"),
    "a stage is a list": with_stage([]),
    "a stage is a text": with_stage("x"),
    "stages are a list": lambda lock: lock.update(stages=[1]),
    "stages are a number": lambda lock: lock.update(stages=1),
    "parameters are a list": lambda lock: lock["stages"]["poison"].update(params=[1]),
    "parameters of a file are a text": lambda lock: lock["stages"]["poison"].update(params={"params.yaml": "x"}),
    "no parameters": without("stages", "poison", "params"),
    "no data set": without("stages", "download", "outs"),
    "no scores": without(*OUT),
    "a knob that MLflow cannot call so": with_knob("attacks.badnets", "../../x", 1),
    "a knob with a page in it": with_knob("attacks.badnets", "<script>", 1),
    "a knob of a long name": with_knob("attacks.badnets", "x" * 199, 1),
    "a knob that is no number": with_knob("attacks.badnets", "alpha", float("nan")),
}
# Knobs of an attack as they may stand in a record that is whole otherwise.
KNOBS: dict[str, str] = {
    "a number without end": f"{{x: 0x{'f' * 5000}}}",
    "a number without end in a list": f"{{x: [0b{'1' * 9000}]}}",
    "no number of 64 bits": f"{{x: {10**20}}}",
    "repeats of a long text": f"{{x: &a {'y' * 9999}, z: [{'*a, ' * 150_000}]}}",
    "repeats of a long key": f"{{x: &a [{{{'y' * 199}: 1}}], z: [{'*a, ' * 60_000}]}}",
    "long keys around many": "{x: "
    + f"{{{'y' * 190}: " * 40
    + f"{{{', '.join(f'{n}k: 0' for n in range(50_000))}}}"
    + "}" * 41,
    "half a character": '{x: "\\ud800"}',
}
TEXTS: dict[str, bytes] = {
    "empty": b"",
    "nothing": b"null",
    "a list": b"[1, 2]",
    "a text": b"stages",
    "no text": b"\xff\xfe\0\0",
    "no YAML": b"stages: {evaluate: [",
    "an object": b"stages: !!python/object/apply:os.system ['touch ../../outside/x']",
    "another object": b"!!python/object/new:subprocess.Popen [touch]",
    "a date": b"stages: {evaluate: {params: {params.yaml: {seed: !!timestamp 2020-01-01}}}}",
    "two documents": b"stages: {}\n---\nstages: {}\n",
    "in itself": b"stages: &a {evaluate: *a}",
    "brackets": b"stages: " + b"[" * 100_000,
    "laughter": b"a0: &a0 [x, x]\n"
    + b"".join(b"a%d: &a%d [*a%d, *a%d]\n" % (n + 1, n + 1, n, n) for n in range(60))
    + b"stages: {evaluate: {params: {params.yaml: {x: *a60}}}}",
    "large": b"stages: {}\n" + b"#" * 5_000_000,
    "a large number": b"stages: {evaluate: {params: {params.yaml: {seed: " + b"9" * 9000 + b"}}}}",
}
