"""The library of plans: drafts, their revisions, publishing by a second person, versions and what changed between them."""
