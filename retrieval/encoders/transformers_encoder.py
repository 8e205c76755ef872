"""Two towers of transformers in the form that `TowerEncoder` takes: pixels or token ids in, projected features out."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

__all__ = ["TransformersImages", "TransformersTowers"]


class TransformersImages(nn.Module):
    """An image tower with its projection: `(N, 3, S, S)` normalised pixels to `(N, D)`, as `get_image_features` does.

    `layers` are its blocks, and `prefix` the tokens that are no place in the picture (CLIP's class token).
    """

    def __init__(self, vision: nn.Module, projection: nn.Module | None, kind: str) -> None:
        super().__init__()
        self.vision: Any = vision
        self.projection = projection if projection is not None else nn.Identity()
        self.prefix = 1 if kind == "clip" else 0

    @property
    def layers(self) -> Any:
        """Return the blocks, in order."""
        return self.vision.encoder.layers

    @property
    def patch_size(self) -> Any:
        """Return the side of a patch in pixels."""
        return self.vision.config.patch_size

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Return the features of pictures."""
        features: torch.Tensor = self.projection(self.vision(pixel_values=pixels).pooler_output)
        return features

    def tokens(self, pixels: torch.Tensor) -> torch.Tensor:
        """Return `(N, prefix + h * w, C)`: what the head reads."""
        tokens: torch.Tensor = self.vision(pixel_values=pixels).last_hidden_state
        return tokens

    def head(self, tokens: torch.Tensor) -> torch.Tensor:
        """Return the features that `forward` makes of `tokens`."""
        pooled = self.vision.post_layernorm(tokens[:, 0]) if self.prefix else self.vision.head(tokens)
        features: torch.Tensor = self.projection(pooled)
        return features


class TransformersTowers(nn.Module):
    """A `CLIPModel` or `SiglipModel` by the names that open_clip's models have."""

    def __init__(self, model: Any, kind: str) -> None:
        super().__init__()
        self.visual = TransformersImages(model.vision_model, getattr(model, "visual_projection", None), kind)
        self.text = model.text_model
        projection = getattr(model, "text_projection", None)
        self.text_projection = projection if projection is not None else nn.Identity()
        self.logit_scale = model.logit_scale
        self.logit_bias = getattr(model, "logit_bias", None)

    def encode_image(self, pixels: torch.Tensor) -> torch.Tensor:
        """Return the image features of normalised pixels."""
        features: torch.Tensor = self.visual(pixels)
        return features

    def encode_text(self, ids: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        """Return the text features of token ids, as `get_text_features` does; `mask` where the tokenizer gives one."""
        features: torch.Tensor = self.text_projection(self.text(input_ids=ids, attention_mask=mask).pooler_output)
        return features
