"""A whole training, from arguments to the files beside the weights. Imports every room but comparison."""
