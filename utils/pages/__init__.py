"""The site: pages generated from the zoo file, the record, the weights and the verdicts."""
