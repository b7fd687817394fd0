"""From word vectors to entities: linear and BiLSTM heads, a CRF, and losses."""

from .architectures import BiLSTMHead, CRFTagger, LinearHead
from .loss import TaggingLoss

__all__ = ["BiLSTMHead", "CRFTagger", "LinearHead", "TaggingLoss"]
