"""8-bit RGB patches, 16x16, as tokens: masked diffusion on the 256 levels of each color.

The network is that of configs/photos16.py, with an embedding of the levels before it, and logits
after it. The number of masks is drawn, evenly over a batch. docs/codec.md writes its file.

Command: python main.py --config=configs/discrete/photos16_masked.py --workdir=runs/photos16_masked
Figure: TODO bits/dim on the 384 test patches (bound). The patches lie side by side in two
pictures. They are not independent, so the standard error is too small.
Time: 25 minutes of training on two CPU cores that were busy with other work.
"""

from gradlog.configs import photos16


def get_config():
    config = photos16.get_config()
    config.sde.name = "masking"
    config.model.update(token_features=8, dropout=0.1)
    config.objective.name = "masked"
    config.optimizer.update(grad_clip=1.0, decay_steps=1000, ema_decay=0.99)
    config.training.steps = 1000
    config.likelihood.update(name="bound", samples=128)
    config.sampling.update(name="first_hitting")
    return config
