"""Operator norms beside what other tools give."""
