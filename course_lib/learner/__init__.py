"""What belongs to the learner: the copies in `work/` and the note of what is solved. Needs nothing but Python."""
