"""Gradient norms, one per replica, without a device synchronisation."""

from collections.abc import Mapping

import torch
from torch import Tensor


def gradient_norms(gradients: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], Tensor]:
    """Euclidean norms per replica of each gradient and of all together.

    Args:
        gradients: name → gradient of shape (R, …), replicas on the leading axis.

    Returns:
        name → norms (R,), and the total norm (R,) = square root of the sum of the squares.
    """
    norms = {
        name: torch.linalg.vector_norm(gradient.flatten(1), dim=1) for name, gradient in gradients.items()
    }
    return norms, torch.linalg.vector_norm(torch.stack(list(norms.values())), dim=0)


@torch.no_grad()
def clip_per_replica(gradients: Mapping[str, Tensor], totals: Tensor, max_norm: float) -> Tensor:
    """Scale every replica's gradient in place to a total norm of at most `max_norm`, each by its own factor.

    As `torch.nn.utils.clip_grad_norm_` does for one model (factor = max_norm / (norm + 1e-6), at most 1), so a
    replica is clipped as it would be if it were trained alone.

    Returns:
        The factors applied, (R,).
    """
    factors = (max_norm / (totals + 1e-6)).clamp(max=1.0)
    for gradient in gradients.values():
        gradient.mul_(factors.view(-1, *[1] * (gradient.dim() - 1)).to(gradient.dtype))
    return factors
