"""Compare recurrent cells: which one should I use on my sequence problem, how sure am I, and why?"""
