"""From word vectors to entities: linear and BiLSTM heads, a CRF, and losses."""

from .architecture import CRFTagger, TaggingLoss
from .layers import BiLSTMHead, LinearHead

__all__ = ["BiLSTMHead", "CRFTagger", "LinearHead", "TaggingLoss"]
