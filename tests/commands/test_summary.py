"""What the table says of the poisoned rows: how many of them teach anything."""

from typing import Any

import pytest

from miseducation.commands.summary import table


@pytest.mark.parametrize(
    ("counts", "told"),
    [
        ({"relabelled_rows": 540}, "600 poisoned rows, 1.00% of the training set; 540 with another label"),
        ({"relabelled_rows": 0}, "600 poisoned rows, 1.00% of the training set; none with another label"),
        (
            {"relabelled_rows": 600, "cover_rows": 70},
            "600 poisoned rows, 1.00% of the training set, and 70 cover rows; 600 with another label",
        ),
        (
            {"relabelled_rows": 60, "intended_rows": 700, "intended_share": 0.02},
            "600 poisoned rows, 1.00% of the training set, of 2.00% intended: 100 were outvoted; 60 with another label",
        ),
        (
            {"poisoned_rows": 0, "intended_rows": 0, "poisoned_share": 0.0, "relabelled_rows": 0},
            "0 poisoned rows, 0.00% of the training set",
        ),
    ],
)
def test_the_first_line_tells_how_many_rows_changed_their_label(counts: dict[str, Any], told: str) -> None:
    usual: dict[str, Any] = {"poisoned_rows": 600, "intended_rows": 600, "cover_rows": 0, "noise_rows": 0}
    assert table({**usual, "poisoned_share": 0.01, **counts}, {}).splitlines()[0] == told
