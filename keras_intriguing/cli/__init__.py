"""The command `keras-intriguing`, one file a subcommand. TensorFlow is imported only by those that compute."""
