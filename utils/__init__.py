"""What the zoo's commands share: recipes, training, search, pictures of digits, plots, tables."""
