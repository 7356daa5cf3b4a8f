"""What the benchmarks share: attacks to compare, what they cost, tables."""
