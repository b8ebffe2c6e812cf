"""The sizes that FLAME-format models share."""

JOINT_COUNT = 5
"""Root, neck, jaw, left eye, right eye."""
JAW = 2
"""Place of the jaw among the joints."""
FEATURES_PER_JOINT = 9
"""Entries of the rotation matrix of a joint, which the pose correctives are for."""
POSE_FEATURES = FEATURES_PER_JOINT * (JOINT_COUNT - 1)
CONTOUR_POINTS = 17
PUBLISHED_BASIS_SIZE = 400
"""FLAME releases store identity and expression in one basis of this size,"""
PUBLISHED_SHAPE_COUNT = 300
"""of which this many, the first, are identity."""
FLAME_VERTICES = 5023
FLAME_FACES = 9976
MAXIMUM_FILE_BYTES = 2**30
"""Largest model file, and largest content of one; published models have 53 MB."""
