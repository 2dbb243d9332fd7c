"""The web app: page, endpoints and server. Nothing heavy at import."""
