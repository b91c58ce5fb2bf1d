"""The log of a training run: one record an epoch."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from typing import Any

from lmmix.fileio import PathLike, atomic_write, json_ready

COLUMNS = ("epoch", "train_loss", "valid_ppl", "learning_rate", "tokens_per_second", "seconds")
"""What a record holds: the loss in nats an event, the time in seconds since the epoch began."""


def write_log(path: PathLike, records: Sequence[dict[str, Any]]) -> None:
    """Write all records: as CSV with a header line if `path` ends in `.csv`, else as lines of JSON.

    The file is replaced as a whole, so that readers see a complete one at any time. Raises InputError.
    """
    with atomic_write(path) as stream:
        stream.write((_as_csv(records) if str(path).endswith(".csv") else _as_json(records)).encode())


def _as_csv(records: Sequence[dict[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(records)
    return text.getvalue()


def _as_json(records: Sequence[dict[str, Any]]) -> str:
    return "".join(json.dumps(json_ready(record), allow_nan=False) + "\n" for record in records)
