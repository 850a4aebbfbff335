"""The script that Streamlit runs: one frame, two pages. Start it with `thoughtscope app`."""

import streamlit as st

from thoughtscope.app.dashboard import look
from thoughtscope.app.dashboard.views import live, recordings

st.set_page_config(page_title="Thoughtscope", page_icon=look.ICON, layout="wide", initial_sidebar_state=316)
look.dress()
pages = [
    st.Page(live.page, title="Live", icon=":material/play_circle:", url_path="live", default=True),
    st.Page(recordings.page, title="Recordings", icon=":material/folder_open:", url_path="recordings"),
]
st.navigation(pages, position="top").run()
