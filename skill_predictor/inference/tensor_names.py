"""Names of the graphs' inputs and outputs."""

INPUT_IDS = 'input_ids'
ATTENTION_MASK = 'attention_mask'
PROBABILITIES = 'probabilities'
EMBEDDING = 'embedding'
