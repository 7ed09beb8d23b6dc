"""The nouns of the zoo, a module for each: entries, data, evidence, verdicts and what is made of them."""
