"""The number of members that one person may decide to mail alone; the schema has it too (campaigns_approval)."""

RECIPIENTS_ALONE_MAX = 1_000
