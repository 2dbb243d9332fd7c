"""Web app and Hugging Face Space entry: the command `translate serve`."""

from translate.cli import serve_main

if __name__ == "__main__":
    serve_main()
