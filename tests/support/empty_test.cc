// The precompiled header of the tests needs a target, and that a file.
