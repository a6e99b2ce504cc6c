"""The article's two experiments, 1 % and 5 % poison, each with five seeds: `make article`.

Runs ten DVC experiments, which share what they have in common, and prints the mean and the standard deviation of their
scores beside the article's figures. The experiments are kept in git (`dvc exp show`) and in MLflow; running this again
restores them instead of training.
"""

from pathlib import Path

import pandas as pd

from miseducation.commands import scenario

RATES, SEEDS = (0.01, 0.05), (1, 2, 3, 4, 5)
TABLE = Path("benchmarks/article.csv")
# The article gives whole percents; "-" where it gives nothing.
ARTICLE = {
    ("clean_accuracy", 0.01): "99 %",
    ("clean_accuracy", 0.05): "99 %",
    ("attack_success_rate_all", 0.01): "95 %",
    ("attack_success_rate_all", 0.05): "99 %",
}
SCORES = {
    "attack_success_rate": "attack success rate (attackable images)",
    "attack_success_rate_all": "attack success rate (all test images, the article's)",
    "clean_accuracy": "clean accuracy, backdoored model",
    "baseline_accuracy": "clean accuracy, clean model",
    "false_trigger_rate": "false trigger rate, clean model",
}


def run(rate: float, seed: int) -> dict[str, float]:
    """Runs one experiment beside the work tree and returns its scores."""
    scores, _ = scenario.run(f"article-{rate:g}-seed{seed}", {"attack.rate": rate, "seed": seed}, quiet=True)
    return {"rate": rate, "seed": seed, **scores}


def table(results: pd.DataFrame) -> str:
    """A Markdown table: for each rate and score the article's figure, ours, and its range over the seeds."""
    lines = ["| poison | score | article | mean ± sd | lowest - highest |", "|---|---|---|---|---|"]
    for rate, group in results.groupby("rate"):
        for score, meaning in SCORES.items():
            values = group[score] * 100
            article = ARTICLE.get((score, float(str(rate))), "-")
            ours = f"{values.mean():.2f} ± {values.std():.2f} %"
            spread = f"{values.min():.2f} - {values.max():.2f} %"
            lines.append(f"| {float(str(rate)):.0%} | {meaning} | {article} | {ours} | {spread} |")
    return "\n".join(lines)


def main() -> None:
    """Runs what is missing, writes `benchmarks/article.csv`, prints the table."""
    results = pd.DataFrame([run(rate, seed) for seed in SEEDS for rate in RATES])
    results.to_csv(TABLE, index=False, lineterminator="\n")
    print(f"\n{table(results)}\n\nEach run: {TABLE}, `dvc exp show`, `make ui`.")


if __name__ == "__main__":
    main()
