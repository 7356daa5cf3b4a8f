"""`python -m keras_intriguing` is the command `keras-intriguing`."""

import sys

from keras_intriguing.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
