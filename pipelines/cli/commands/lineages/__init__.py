"""Commands about lineages: backfills, their list, comparison and adoption."""
