"""Trainings that are killed, starved of disk, crowded and given spoiled checkpoints.

The law: what is recorded in the end is what an undisturbed run records, byte for byte. The record
can be read at every moment, and nothing half-written stays. Each training is a process of its own,
forked from one that has imported everything, so that a start costs little.
"""
