"""TraceView in a Streamlit page. Everything it shows is packed by `app/traceview.py`; hover never comes back here."""

from __future__ import annotations

from typing import Any

import streamlit as st
from streamlit.components import v2

from ..traceview import css, javascript

__all__ = ["trace_view"]


def trace_view(payload: bytes, *, key: str) -> Any:
    """Mount or update the view; a fixed `key` keeps the document in the browser from one rerun to the next.

    Returns:
        The component's state: `pin` (token index or None) and `missing` (None, or what `TraceFeed.start` takes).
    """
    mount = _component()
    default = {"pin": None, "missing": None}
    unheard = {f"on_{name}_change": lambda: None for name in default}
    return mount(key=key, data=payload, default=default, height="content", **unheard)


@st.cache_resource
def _component() -> Any:
    """Registered once a server; a second registration of the name would only log a warning."""
    return v2.component("thoughtscope_traceview", css=css(), js=javascript("streamlit"))
