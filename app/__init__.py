"""Front ends over one set of figures: dashboard, command line, figures; contains no formula."""
