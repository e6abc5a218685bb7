"""Saved states of a zone, and of a simulation."""

cimport cython

from hashlib import blake2b


cdef str digest_of(bytes image):
    return blake2b(image, digest_size=16).hexdigest()


cdef class Snapshot:
    """State of something at one moment."""

    def __cinit__(self, bytes image not None, str digest=None):
        self.image = image
        if digest is not None and digest != self.digest:
            raise ValueError(f"the image of {len(image)} bytes does not have the digest {digest!r}")

    @property
    def digest(self):
        """Equal to the digest of what is in this state; computed when first asked for."""
        if self.hashed is None:
            self.hashed = digest_of(self.image)
        return self.hashed

    def __reduce__(self):
        return type(self), (self.image, self.digest)

    def __eq__(self, other):
        return type(self) is type(other) and self.digest == other.digest

    def __hash__(self):
        return hash(self.digest)

    def __repr__(self):
        return f"<{type(self).__name__} {self.digest} ({len(self.image)} bytes)>"


@cython.final
cdef class ZoneSnapshot(Snapshot):
    """ZoneSnapshot(image, digest=None)\n--\n\n
    State of a zone at one moment, made by `Zone.snapshot`.

    Immutable, hashable by its digest, and safe to pickle or to store as
    *image* and *digest*: a snapshot that did not come straight from a zone of
    this process is checked in full when it is restored.

    Parameters
    ----------
    image : bytes
        State as `Zone.snapshot` wrote it.
    digest : str, optional
        What the digest of *image* must be.

    Raises
    ------
    TypeError
        If *image* is not bytes or *digest* is not a string.
    ValueError
        If the digest is not that of the image.

    Attributes
    ----------
    image : bytes
    """

    @staticmethod
    cdef ZoneSnapshot create(bytes image):
        cdef ZoneSnapshot snapshot = ZoneSnapshot.__new__(ZoneSnapshot, image)
        snapshot.is_trusted = True
        return snapshot


@cython.final
cdef class MemorySnapshot(Snapshot):
    """MemorySnapshot(image, digest=None)\n--\n\n
    State of a simulation at one moment, made by `Simulation.snapshot`.

    Immutable, hashable by its digest, and safe to pickle or to store as
    *image* and *digest*: a snapshot that did not come straight from a simulation of
    this process is checked in full when it is restored.

    Parameters
    ----------
    image : bytes
        State as `Simulation.snapshot` wrote it.
    digest : str, optional
        What the digest of *image* must be.

    Raises
    ------
    TypeError
        If *image* is not bytes or *digest* is not a string.
    ValueError
        If the digest is not that of the image.

    Attributes
    ----------
    image : bytes
    """

    @staticmethod
    cdef MemorySnapshot create(bytes image):
        cdef MemorySnapshot snapshot = MemorySnapshot.__new__(MemorySnapshot, image)
        snapshot.is_trusted = True
        return snapshot
