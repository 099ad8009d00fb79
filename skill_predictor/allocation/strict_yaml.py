"""A safe YAML loader that refuses a key that is written twice.

PyYAML keeps the last of two equal keys without a word: of two robots with one name, the first
would vanish.
"""

from __future__ import annotations

import yaml


class StrictLoader(yaml.SafeLoader):
    """A `yaml.SafeLoader` that raises `yaml.YAMLError` for a repeated key."""

    def compose_mapping_node(self, anchor: str | None) -> yaml.MappingNode:
        """Read one mapping; the same as the base class but for repeated keys."""
        # Checked here, before merge keys (<<) are resolved: those may override each other.
        node = super().compose_mapping_node(anchor)
        seen = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                continue
            if (key.tag, key.value) in seen:
                raise yaml.composer.ComposerError(
                    None, None, f'{key.value!r} is written twice', key.start_mark)
            seen.add((key.tag, key.value))
        return node
