"""download: gets the data set of `data.name`, checks it, and writes it to `data/raw` as plain arrays."""

from pathlib import Path

from pydantic import Field

from stages import command, parts, pictures
from stages.dataset import Dataset, save_raw
from stages.datasets import Source
from stages.files import replacing, write_json
from stages.params import Section, read

RAW = Path("data/raw")
PICTURE = Path("metrics/clean_samples.png")


class DataSection(Section):
    """The section `data`."""

    name: str = Field(description="a file of stages/datasets, without .py")


def source(name: str) -> Source:
    """The data set of this name, with its knobs from `datasets.<name>`."""
    return read(parts.find("datasets", name, Source, "data.name"), f"datasets.{name}")


def get(name: str, folder: Path) -> Dataset:
    """Gets the data set of this name and writes it to a folder; returns its training set."""
    train, test, record = source(name).fetch()
    with replacing(folder) as partial:
        save_raw(partial, train, test)
        write_json(partial / "source.json", {"name": name, **record})
    print(f"{name}: {len(train)} training and {len(test)} test images in {folder}")
    return train


def main() -> None:
    """Reads `params.yaml`; writes `data/raw` and a picture of some samples."""
    train = get(read(DataSection, "data").name, RAW)
    pictures.save(pictures.sample_grid(train), PICTURE)


if __name__ == "__main__":
    command.run(main)
