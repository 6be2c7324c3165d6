r"""The net of an encoder-decoder without attention: a sequence in, another one out, of whatever length.

One recurrent net reads the source x to its end; its last state is all that a second one knows of it when it writes the
target y, symbol by symbol, until the end:

.. math:: s = f(x_1, ..., x_S), \quad \log P(y \mid x) = \sum_{t=1}^{T+1} \log P(y_t \mid y_1, ..., y_{t-1}, s)

All of the source has to pass through one state, so that what is long is remembered badly. Reading it backwards
(``reverse``) brings its beginning next to that of the target, which makes learning easier.

Cost: an update of N pairs takes about :math:`6 N (S + T) c H (E + H)` operations, c = 4 for LSTM, 3 for GRU.

Reference: Sutskever, Vinyals & Le (2014), Sequence to sequence learning with neural networks; Cho et al. (2014).
"""

import torch
from torch import nn

from peira.layers.recurrent import recurrent
from peira.layers.recurrent_cells import State

from .language_net import LanguageNet


class EncoderDecoder(nn.Module):
    """An encoder whose last state is the first one of a decoder.

    Parameters
    ----------
    K, L : int
        Symbols of the source, and of the target. The decoder's position L is the mark of beginning and end.
    E, H, layers : int
        Numbers of a symbol's vector, units of a layer, layers of either side.
    cell : str, default "lstm"
        A kind of `peira.layers.recurrent`.
    dropout : float, default 0
    reverse : bool, default True
        Read the source from its end.

    Examples
    --------
    >>> net = EncoderDecoder(3, 2, 4, 5)
    >>> sources, lengths = torch.tensor([[0, 1, 2], [2, 0, 0]]), torch.tensor([3, 1])
    >>> inputs, targets = torch.tensor([[2, 0], [2, 1]]), torch.tensor([[0, 2], [1, 2]])
    >>> net(sources, lengths, inputs).shape
    torch.Size([2, 2, 3])
    """

    def __init__(
        self, K: int, L: int, E: int, H: int, layers: int = 1,
        *, cell: str = "lstm", dropout: float = 0.0, reverse: bool = True,
    ) -> None:  # fmt: skip
        super().__init__()
        self.reverse, self.L = reverse, L
        self.embedding = nn.Embedding(K, E)
        self.encoder = recurrent(cell, E, H, layers=layers, dropout=dropout)
        self.decoder = LanguageNet(
            L + 1, L + 1, None, E, H, layers, cell=cell, dropout=dropout, variational=True, tied=False
        )

    def encode(self, sources: torch.Tensor, lengths: torch.Tensor) -> State:
        """The state in which sources (N, S) of these lengths (N,) leave the encoder."""
        if self.reverse:
            t = torch.arange(sources.shape[1], device=sources.device)
            back = lengths[:, None] - 1 - t
            sources = sources.gather(1, torch.where(back >= 0, back, t))
        return self.encoder(self.embedding(sources), lengths)[1]

    def forward(self, sources: torch.Tensor, lengths: torch.Tensor, inputs: torch.Tensor) -> torch.Tensor:
        """Scores (N, T, L + 1) of what comes after each of the inputs (N, T), which begin with the mark."""
        h, _ = self.decoder(inputs, self.encode(sources, lengths))
        return self.decoder.scores(h)
