"""Architecture exploration: a study is a space of design points, a store of their results, and questions to it.

`study` is the face to Python; `schema` and `load` read a study file, `space` lists its points, `point` evaluates
one, `store` keeps results, `local` and `cluster` run points, `sweep` and `search` drive a study, and `pareto`,
`effects`, `findings` and `plots` answer questions.
"""
