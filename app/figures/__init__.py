"""Figures: data first, theme last, a Plotly figure back; shows and saves nothing."""

from .timeline import timeline

__all__ = ["timeline"]
