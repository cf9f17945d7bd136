"""Attention with positive random features in PyTorch, in blocks that stay in the cache and with its own gradient."""

from __future__ import annotations

from typing import Any

import torch

_BLOCK_VALUES = 1 << 18  # features of one kind held at once on a CPU


class KernelAttention(torch.autograd.Function):
    """Quotient of sums over features exp(+-Wx - |x|^2 / 2), both signs side by side.

    The largest exponent of a query, and of all keys of a group, is subtracted: it cancels, and so does |q|^2 / 2. The
    backward pass makes the features again rather than keep them.
    """

    @staticmethod
    def forward(ctx: Any, query: Any, key: Any, term: Any, value: Any) -> Any:
        """Attention of every group (a head of a sample).

        Parameters
        ----------
        query, key : projections (groups, tokens, rows of W)
        term : (groups, tokens, 1) -|k|^2 / 2, minus infinity for keys that do not count
        value : (groups, tokens, head_dim)
        """
        groups, tokens, width = value.shape
        value = torch.cat([value, value.new_ones(groups, tokens, 1)], -1)
        query_top, key_top = query.abs().amax(-1, keepdim=True), key.abs().amax(-1, keepdim=True)
        shift = term - (key_top + term).amax(1, keepdim=True)
        state = value.new_empty(groups, 2 * key.shape[-1], width + 1)
        sums = torch.empty_like(value)
        for part in _parts(query):
            torch.bmm(_features(key[part], shift[part]).transpose(1, 2), value[part], out=state[part])
            torch.bmm(_features(query[part], -query_top[part]), state[part], out=sums[part])
        norm = sums[..., width:]
        result = sums[..., :width] / norm
        ctx.save_for_backward(query, key, shift, value, query_top, state, norm, result)
        return result

    @staticmethod
    def backward(ctx: Any, upstream: Any) -> Any:
        """Gradients of the four inputs."""
        query, key, shift, value, query_top, state, norm, result = ctx.saved_tensors
        of_sums = torch.cat([upstream, -(upstream * result).sum(-1, keepdim=True)], -1).div_(norm)
        of_query = torch.empty_like(query) if ctx.needs_input_grad[0] else None
        of_key, of_term, of_value = torch.empty_like(key), torch.empty_like(shift), torch.empty_like(value)
        for part in _parts(query):
            features = _features(query[part], -query_top[part])
            of_state = torch.bmm(features.transpose(1, 2), of_sums[part])
            if of_query is not None:
                _signs_joined(features.mul_(torch.bmm(of_sums[part], state[part].transpose(1, 2))), of_query[part])
            features = _features(key[part], shift[part])
            torch.bmm(features, of_state, out=of_value[part])
            features.mul_(torch.bmm(value[part], of_state.transpose(1, 2)))
            torch.sum(features, -1, keepdim=True, out=of_term[part])
            _signs_joined(features, of_key[part])
        return of_query, of_key, of_term, of_value[..., :-1]


def _parts(groups: Any) -> list[slice]:
    """Groups whose features are made at once: on a CPU as many as stay in the cache."""
    at_once = max(1, _BLOCK_VALUES // (2 * groups[0].numel())) if groups.device.type == "cpu" else len(groups)
    return [slice(start, start + at_once) for start in range(0, len(groups), at_once)]


def _features(projected: Any, shift: Any) -> Any:
    rows = projected.shape[-1]
    made = projected.new_empty(*projected.shape[:-1], 2 * rows)
    torch.add(shift, projected, out=made[..., :rows])
    torch.sub(shift, projected, out=made[..., rows:])
    return made.exp_()


def _signs_joined(gradient: Any, out: Any) -> None:
    rows = out.shape[-1]
    torch.sub(gradient[..., :rows], gradient[..., rows:], out=out)
