"""Engines: how named sites become hooks on a model. One protocol, one vocabulary of sites, the same numbers."""

from .base import ENGINES, Engine, Forward, open_engine

__all__ = ["ENGINES", "Engine", "Forward", "open_engine"]
