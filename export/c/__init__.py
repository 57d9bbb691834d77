"""A C99 library of a model, for microcontrollers and other systems without Python."""
