r"""NCSNv2 on LSUN bedrooms at 128x128 (Song & Ermon 2020, arXiv:2006.09011), as in score_sde.

The data are the images of LSUN bedrooms (www.yf.io/p/lsun) as files, in one folder or in folders
train/ and test/. The official file misspells "continuous = False"; its network, which sees indices
of levels, cannot be trained without it.

Command: python main.py --config=configs/score_sde/ve/ncsnv2/bedroom.py \
    --workdir=runs/score_sde_ve_ncsnv2_bedroom --config.data.path=IMAGES
Figure: the paper shows samples and gives no number; not measured here.
Time: 2.4 million steps at batch 128 (not measured here).
"""

from gradlog.configs import published


def get_config():
    config = published.ncsnv2(published.large(128), scales=1086, steps=3, snr=0.095)
    config.sde.sigma_max = 190.0
    config.model.backbone = 128
    config.optimizer.ema_decay = 0.9999
    config.training.batch_size = 128
    return config
