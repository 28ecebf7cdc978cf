"""Does every description of the system agree with the system?"""
