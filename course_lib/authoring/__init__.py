"""Tools for those who write the course: exercises from solutions, notebooks executed and stamped."""
