from Cython.Build import cythonize
from setuptools import Extension, setup

import pasralloc

setup(
    name="embedded",
    ext_modules=cythonize(
        Extension("embedded", ["embedded.pyx"], include_dirs=[pasralloc.get_include()]),
        language_level=3,
    ),
)
