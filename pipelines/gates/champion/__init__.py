"""Champion: is the version that serves still better than the naive forecast?"""
