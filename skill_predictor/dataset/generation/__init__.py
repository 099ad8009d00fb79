"""Writing labelled tasks with a language model: what to ask for, how to ask, what to accept."""
