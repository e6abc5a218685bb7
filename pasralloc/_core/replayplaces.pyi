# Compiled kernel code; nothing here is called from Python.
