"""Starting the dashboard: Streamlit's own command line, everything set by flags: it needs no configuration file."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

from ...probes.errors import ThoughtscopeError
from ..theme import DARK, LIGHT, Theme

__all__ = ["launch", "streamlit_arguments"]

LARGEST_UPLOAD = 200
"""MB."""


def launch(model: str, host: str = "127.0.0.1", port: int = 8501) -> int:
    """Serve the dashboard until it is interrupted; returns the exit code."""
    try:
        from streamlit.web import cli
    except ImportError as error:
        raise ThoughtscopeError("the dashboard needs Streamlit: pip install 'thoughtscope[app]'") from error
    _check_free(host, port)
    os.environ["THOUGHTSCOPE_MODEL"] = model
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    sys.argv = ["streamlit", *streamlit_arguments(host, port)]
    try:
        cli.main()
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else 0
    return 0


def streamlit_arguments(host: str = "127.0.0.1", port: int = 8501) -> list[str]:
    """What `streamlit` is called with."""
    settings: dict[str, object] = {
        "server.address": host,
        "server.port": port,
        "server.headless": "true",
        "server.fileWatcherType": "none",
        "runner.postScriptGC": "false",  # a full collection after each refresh stalls decoding once torch is loaded
        "server.maxUploadSize": LARGEST_UPLOAD,
        "browser.serverAddress": host,
        "browser.gatherUsageStats": "false",
        "client.toolbarMode": "viewer",
        "client.showErrorDetails": "none",
        "global.developmentMode": "false",
        "theme.baseFontSize": 15,
        **_theme("light", LIGHT),
        **_theme("dark", DARK),
    }
    return ["run", str(Path(__file__).with_name("main.py")), *(f"--{name}={value}" for name, value in settings.items())]


def _theme(name: str, theme: Theme) -> dict[str, object]:
    """Streamlit's own widgets in our colours; which of the two is used follows the reader's system, or their choice."""
    return {
        f"theme.{name}.primaryColor": theme.accent,
        f"theme.{name}.backgroundColor": theme.background,
        f"theme.{name}.secondaryBackgroundColor": theme.surface,
        f"theme.{name}.textColor": theme.text,
        f"theme.{name}.linkColor": theme.accent,
        f"theme.{name}.borderColor": theme.line,
        f"theme.{name}.showWidgetBorder": "true",
        f"theme.{name}.baseRadius": "8px",
        f"theme.{name}.font": theme.font,
        f"theme.{name}.codeFont": theme.mono,
        f"theme.{name}.sidebar.backgroundColor": theme.surface,
        f"theme.{name}.sidebar.secondaryBackgroundColor": theme.background,
        f"theme.{name}.sidebar.borderColor": theme.line,
    }


def _check_free(host: str, port: int) -> None:
    if not 1 <= port <= 65535:
        raise ThoughtscopeError(f"port {port} is not possible; choose one from 1 to 65535 with --port")
    try:
        with socket.create_server((host, port)):
            pass
    except OSError as error:
        raise ThoughtscopeError(
            f"cannot listen on {host}:{port} ({error.strerror}); choose another port with --port, "
            "or another address with --host"
        ) from error
