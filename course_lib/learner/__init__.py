"""What belongs to the learner: copies in `work/`, short paths, the note of what is solved. Light: torch stays out."""
