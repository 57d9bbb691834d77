"""The entry point of `edge-ser`: quiet from the first moment on when it is interrupted."""

import sys


def main() -> None:
    try:
        from .cli import main

        main()
    except KeyboardInterrupt:
        sys.exit(130)  # 128 + SIGINT, as shells count


if __name__ == "__main__":
    main()
