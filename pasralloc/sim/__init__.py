"""Running allocators over inputs."""
