"""One function a page, each answering one question."""
