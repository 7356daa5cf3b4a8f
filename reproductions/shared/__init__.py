"""What the chapters share: a run and its records, intervals and tests."""
