"""A saved state of a zone."""

cimport cython

from hashlib import blake2b


cdef str digest_of(bytes image):
    return blake2b(image, digest_size=16).hexdigest()


@cython.final
cdef class ZoneSnapshot:
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

    def __cinit__(self, bytes image not None, str digest=None):
        self.image = image
        if digest is not None and digest != self.digest:
            raise ValueError(f"the image of {len(image)} bytes does not have the digest {digest!r}")

    @staticmethod
    cdef ZoneSnapshot create(bytes image):
        cdef ZoneSnapshot snapshot = ZoneSnapshot.__new__(ZoneSnapshot, image)
        snapshot.is_trusted = True
        return snapshot

    @property
    def digest(self):
        """Equal to `Zone.digest` of any zone in this state; computed when first asked for."""
        if self.hashed is None:
            self.hashed = digest_of(self.image)
        return self.hashed

    def __reduce__(self):
        return ZoneSnapshot, (self.image, self.digest)

    def __eq__(self, other):
        return isinstance(other, ZoneSnapshot) and self.digest == other.digest

    def __hash__(self):
        return hash(self.digest)

    def __repr__(self):
        return f"<ZoneSnapshot {self.digest} ({len(self.image)} bytes)>"
