"""What a judgement looks like: on a terminal, on a page, as tables for other programs, in pictures."""
