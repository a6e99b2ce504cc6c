"""Describes the machine that measures: `benchmarks/machine.csv`. No names and no paths, only what bears on speed."""

import os
import platform
from importlib.metadata import version
from pathlib import Path

import pandas as pd

from benchmarks.tables import markdown

TABLE = Path("benchmarks/machine.csv")
# Instructions that decide how fast a multiplication or a conversion can be, as Linux calls them.
FEATURES = ("avx2", "avx512f", "avx512_bf16", "avx512_fp16", "amx_tile", "amx_bf16", "asimd", "bf16")


def describe() -> dict[str, str]:
    """What the machine is, by name."""
    cpuinfo = _pairs(Path("/proc/cpuinfo"))
    flags = (cpuinfo.get("flags") or cpuinfo.get("Features") or "").split()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "processor": _model(cpuinfo),
        "cores": str(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()),
        "memory": f"{memory / 2**30:.0f} GiB",
        "instructions": ", ".join(feature for feature in FEATURES if feature in flags) or "not known",
        "system": f"{platform.system()}, {platform.machine()}",
        "Python": platform.python_version(),
        "torch": version("torch"),
    }


def _pairs(path: Path) -> dict[str, str]:
    lines = path.read_text().splitlines() if path.is_file() else []
    return {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}


def _model(cpuinfo: dict[str, str]) -> str:
    name = cpuinfo.get("model name") or platform.processor() or platform.machine()
    # Virtual machines are often given a name that does not say which processor it is.
    numbers = [f"{key} {cpuinfo[key]}" for key in ("cpu family", "model", "stepping") if key in cpuinfo]
    return f"{name} ({', '.join(numbers)})" if numbers else name


def main() -> None:
    """Writes the table and prints it."""
    frame = pd.DataFrame(describe().items(), columns=["what", "value"])
    frame.to_csv(TABLE, index=False, lineterminator="\n")
    print(markdown(frame))


if __name__ == "__main__":
    main()
