"""The benchmark's runner: starts each program in turn, loads it, and compares."""
