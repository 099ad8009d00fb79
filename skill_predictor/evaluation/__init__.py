"""How good the predictions are: metrics, and predictions of labelled tasks with their latency."""
