"""This machine: device and number format, matrix products, threads, processes, memory, energy. Imports common."""
