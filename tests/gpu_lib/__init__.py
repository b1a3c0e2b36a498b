"""The parts of tests/gpu."""
