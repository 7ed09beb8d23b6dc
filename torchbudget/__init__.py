"""Hold any PyTorch image classifier to a declared budget."""
