"""The report's chapters, one of the paper's tables or figures a file."""
