"""Directions: named vectors with where they belong and how they were fitted, as small safetensors files.

A direction is data. Fitting one is the business of `analysis`; pushing along one, of `controls`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save as save_bytes

from .errors import ControlError
from .store import write_beside

KEY = "thoughtscope.direction"


@dataclass(frozen=True)
class Direction:
    """A linear read-out `(h - mean) / scale . weight + intercept`, or a bare vector.

    Attributes:
        name: what it is called.
        site: where the states it reads come from, for example `blocks.2.hook_out`.
        weight: (d_model,) float32.
        mean: (d_model,) subtracted from a state first; zeros where features were not centred.
        scale: (d_model,) states are divided by it; ones where features were not scaled.
        intercept: added to the product.
        curve: (n,) the position-only baseline E[y | token index], the null of a progress read-out; may be empty.
        curve_sd: standard deviation around that baseline.
        provenance: how it was fitted: study, split, number of traces, metrics, model fingerprint.
    """

    name: str
    site: str
    weight: np.ndarray
    mean: np.ndarray
    scale: np.ndarray
    intercept: float = 0.0
    curve: np.ndarray = field(default_factory=lambda: np.empty(0, np.float32))
    curve_sd: float = 0.0
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check the shapes once."""
        if self.weight.ndim != 1 or not self.weight.shape == self.mean.shape == self.scale.shape:
            raise ControlError(
                f"direction {self.name!r}: weight {self.weight.shape}, mean {self.mean.shape} and scale "
                f"{self.scale.shape} must be three vectors of one length"
            )

    @classmethod
    def bare(cls, name: str, site: str, weight: np.ndarray, provenance: Mapping[str, Any]) -> Direction:
        """A vector without centring, scaling or intercept."""
        weight = np.asarray(weight, np.float32)
        return cls(name, site, weight, np.zeros_like(weight), np.ones_like(weight), provenance=provenance)

    def save(self, path: str | Path) -> Path:
        """Write the direction to a file."""
        arrays = {
            "weight": self.weight.astype(np.float32),
            "mean": self.mean.astype(np.float32),
            "scale": self.scale.astype(np.float32),
            "curve": np.asarray(self.curve, np.float32),
        }
        facts = {"name": self.name, "site": self.site, "intercept": self.intercept, "curve_sd": self.curve_sd}
        meta = {KEY: json.dumps({**facts, "provenance": dict(self.provenance)})}
        return write_beside(Path(path), save_bytes(arrays, meta))

    @classmethod
    def load(cls, path: str | Path) -> Direction:
        """Read a direction.

        Raises:
            ControlError: when the file is missing, damaged, or no direction.
        """
        try:
            with safe_open(str(path), framework="np") as file:
                facts = json.loads((file.metadata() or {})[KEY])
                arrays = {name: file.get_tensor(name) for name in ("weight", "mean", "scale", "curve")}
        except (OSError, KeyError, ValueError, SafetensorError) as error:
            raise ControlError(
                f"{path} is no direction file ({str(error).splitlines()[0]}); give one that `Direction.save` wrote"
            ) from error
        return cls(**facts, **arrays)


def beside(folder: Path | None) -> dict[str, Direction]:
    """The directions kept in the `directions` folder of a model's folder, by name."""
    if folder is None or not (folder / "directions").is_dir():
        return {}
    found = [Direction.load(path) for path in sorted((folder / "directions").glob("*.safetensors"))]
    return {direction.name: direction for direction in found}
