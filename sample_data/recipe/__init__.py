"""How the bundled model and everything around it was made; each script is one command."""
